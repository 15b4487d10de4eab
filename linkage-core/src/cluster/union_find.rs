//! A union-find whose sets remember which deduplicated databases they already hold.

/// What became of a wish to join two sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// They are one now.
    Joined,
    /// They were one already.
    Together,
    /// Both hold one and the same number.
    Barred,
}

/// Disjoint sets over `0..len`, each with a set of small numbers that two sets may not share when they are joined.
pub(super) struct ExclusiveSets {
    parent: Vec<u32>,
    size: Vec<u32>,
    /// `words` 64-bit words per element; those of a root are the union over its set.
    held: Vec<u64>,
    words: usize,
}

impl ExclusiveSets {
    /// `len` sets of one element each, with room for the numbers `0..exclusive`.
    pub(super) fn new(len: u32, exclusive: usize) -> Self {
        let words = exclusive.div_ceil(64).max(1);
        Self { parent: (0..len).collect(), size: vec![1; len as usize], held: vec![0; len as usize * words], words }
    }

    /// Notes that the set of `element`, still alone, holds `number`.
    pub(super) fn hold(&mut self, element: u32, number: usize) {
        self.held[element as usize * self.words + number / 64] |= 1 << (number % 64);
    }

    /// The set's representative. Halves the path on its way, so that paths stay short without recursion.
    pub(super) fn root(&mut self, mut element: u32) -> u32 {
        while self.parent[element as usize] != element {
            let above = self.parent[element as usize];
            self.parent[element as usize] = self.parent[above as usize];
            element = above;
        }
        element
    }

    /// Joins the sets of `a` and `b`, unless both hold one and the same number.
    pub(super) fn join(&mut self, a: u32, b: u32) -> Outcome {
        let (a, b) = (self.root(a), self.root(b));
        if a == b {
            return Outcome::Together;
        }
        if self.collide(a, b) {
            return Outcome::Barred;
        }
        let (large, small) = if self.size[a as usize] >= self.size[b as usize] { (a, b) } else { (b, a) };
        self.parent[small as usize] = large;
        self.size[large as usize] += self.size[small as usize];
        for word in 0..self.words {
            self.held[large as usize * self.words + word] |= self.held[small as usize * self.words + word];
        }
        Outcome::Joined
    }

    /// How many elements the set of `element` has.
    pub(super) fn size(&mut self, element: u32) -> usize {
        let root = self.root(element);
        self.size[root as usize] as usize
    }

    fn collide(&self, a: u32, b: u32) -> bool {
        let (a, b) = (a as usize * self.words, b as usize * self.words);
        (0..self.words).any(|word| self.held[a + word] & self.held[b + word] != 0)
    }
}
