//! Which implementation compares, chosen once per process.

use std::env;
use std::fmt;
use std::sync::OnceLock;

use super::choose::Looks;
use super::error::KernelError;
use super::job::Job;
use super::search::Match;
use super::{arch, scalar};

/// Forces a kernel by name.
const VARIABLE: &str = "LINKAGE_KERNEL";

/// An implementation of the comparison. A value exists only when it runs on this CPU.
#[derive(Clone, Copy)]
pub struct Kernel {
    name: &'static str,
    /// What its screen looks at.
    looks: Looks,
    /// Compares all pairs of a job and returns how many it gave up early.
    run: fn(&Job<'_>, &mut Vec<Match>) -> u64,
}

impl Kernel {
    /// The fastest kernel that this CPU runs, or the one that the environment variable `LINKAGE_KERNEL` names.
    ///
    /// Decided at the first call and kept for the life of the process.
    ///
    /// # Errors
    /// When `LINKAGE_KERNEL` names no kernel, or one that does not run here.
    pub fn detect() -> Result<Self, KernelError> {
        static CHOSEN: OnceLock<Result<Kernel, KernelError>> = OnceLock::new();
        CHOSEN
            .get_or_init(|| match env::var_os(VARIABLE) {
                // What is no UTF-8 names no kernel, and is refused as such.
                Some(name) if !name.is_empty() => Self::named(&name.to_string_lossy()),
                _ => Ok(Self::available().pop().unwrap_or(Self::scalar())),
            })
            .clone()
    }

    /// The kernel of that name: `scalar`, `avx2`, `avx512` or `neon`.
    ///
    /// # Errors
    /// When there is no such kernel, or it does not run here.
    pub fn named(name: &str) -> Result<Self, KernelError> {
        match name {
            "scalar" => Ok(Self::scalar()),
            "avx2" => Self::avx2().ok_or(KernelError::Unavailable { name: "avx2" }),
            "avx512" => Self::avx512().ok_or(KernelError::Unavailable { name: "avx512" }),
            "neon" => Self::neon().ok_or(KernelError::Unavailable { name: "neon" }),
            _ => Err(KernelError::Unknown { name: name.to_owned() }),
        }
    }

    /// Every kernel that this CPU runs, the slowest first.
    pub fn available() -> Vec<Self> {
        [Some(Self::scalar()), Self::neon(), Self::avx2(), Self::avx512()].into_iter().flatten().collect()
    }

    /// The name, as `LINKAGE_KERNEL` takes it and EXPLAIN shows it.
    pub fn name(self) -> &'static str {
        self.name
    }

    pub(super) fn looks(self) -> Looks {
        self.looks
    }

    pub(super) fn run(self, job: &Job<'_>, out: &mut Vec<Match>) -> u64 {
        (self.run)(job, out)
    }

    fn scalar() -> Self {
        Self { name: "scalar", looks: Looks::Words, run: scalar::run }
    }

    fn neon() -> Option<Self> {
        arch::neon().map(|run| Self { name: "neon", looks: Looks::Words, run })
    }

    fn avx2() -> Option<Self> {
        arch::avx2().map(|run| Self { name: "avx2", looks: Looks::Pieces, run })
    }

    fn avx512() -> Option<Self> {
        arch::avx512().map(|run| Self { name: "avx512", looks: Looks::Words, run })
    }
}

impl fmt::Debug for Kernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Kernel").field(&self.name).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_that_is_unknown_or_cannot_run_is_refused() {
        assert_eq!(Kernel::named("scalar").unwrap().name(), "scalar");
        let refused = Kernel::named("abacus").unwrap_err();
        assert_eq!(refused, KernelError::Unknown { name: "abacus".into() });
        assert!(refused.to_string().contains("\nhint: "));
        for name in ["avx2", "avx512", "neon"] {
            let runs = Kernel::available().iter().any(|kernel| kernel.name() == name);
            assert_eq!(Kernel::named(name).is_ok(), runs, "{name}");
        }
    }
}
