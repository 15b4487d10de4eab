//! A worker's memory, and how the bits of one value are made with it.

use super::FieldPlan;
use super::draw::{self, Draw, Positions, set_bit, unite};
use super::features::{self, Message, Part};
use super::memo::{GramMemo, RUN, RunMemo, ValueMemo, ValueSlot};
use super::salt;
use crate::clk::ClkLength;

/// Records whose values are looked up before the first of them is encoded: enough that the processor waits for the memory
/// of many at once, few enough to stay in its nearest cache.
pub(super) const GROUP: usize = 16;

/// What a worker remembers, and room to work in.
#[derive(Default)]
pub(super) struct Memory {
    grams: Vec<GramMemo>,
    runs: Vec<RunMemo>,
    pub(super) values: Vec<ValueMemo>,
    /// Where the values of the records that are encoded next may be remembered, record by record.
    pub(super) slots: Vec<Option<ValueSlot>>,
    filter: Vec<u64>,
    room: Vec<u64>,
    pub(super) scratch: Scratch,
    pub(super) message: Vec<u8>,
    pub(super) texts: Vec<String>,
}

#[derive(Default)]
pub(super) struct Scratch {
    pub(super) parts: Vec<Part>,
    pub(super) messages: Vec<Message>,
    draws: Vec<Draw>,
    /// Places among the messages.
    order: Vec<u32>,
}

impl Memory {
    pub(super) fn new(fields: usize, length: ClkLength) -> Self {
        let words = || vec![0; length.words()];
        let mut memory = Self { filter: words(), room: words(), ..Self::default() };
        memory.grams.resize_with(fields, GramMemo::default);
        memory.runs.resize_with(fields, RunMemo::default);
        memory.values.resize_with(fields, ValueMemo::default);
        memory.slots.resize(fields * GROUP, None);
        memory
    }

    /// Adds the bits of one value to its filter and remembers them; false when it has no q-gram, and so counts as missing.
    pub(super) fn encode_field(
        &mut self,
        field: usize,
        plan: &FieldPlan,
        value: &str,
        slot: Option<ValueSlot>,
        clk: &mut [u64],
    ) -> bool {
        let Self { grams, runs, values, filter, scratch, .. } = self;
        if plan.in_runs(value) {
            return scratch.runs_filter(plan, value.as_bytes(), clk, &mut runs[field]);
        }
        let filter = &mut filter[..clk.len()];
        filter.fill(0);
        let memo = &mut grams[field];
        let merge = |messages: &[Message], each: usize, filter: &mut [u64], draws: &mut Vec<Draw>| {
            memo.merge(messages, each, filter, draws, |message, bits| plan.positions.draw(message, each, bits));
        };
        if !scratch.value_filter(plan, value, filter, merge) {
            return false;
        }
        unite(clk, filter);
        if let Some(slot) = slot {
            values[field].put(&slot, filter);
        }
        true
    }

    /// Adds the bits of one value under a record's own key.
    pub(super) fn encode_salted(
        &mut self,
        plan: &FieldPlan,
        positions: &Positions,
        value: &str,
        clk: &mut [u64],
    ) -> bool {
        let Self { filter, room, scratch, .. } = self;
        let (filter, room) = (&mut filter[..clk.len()], &mut room[..clk.len()]);
        filter.fill(0);
        let merge = |messages: &[Message], each: usize, filter: &mut [u64], draws: &mut Vec<Draw>| {
            let draw = |message| salt::merge(positions, message, each, &mut *filter, &mut *room);
            draws.extend(messages.iter().map(draw));
        };
        if !scratch.value_filter(plan, value, filter, merge) {
            return false;
        }
        unite(clk, filter);
        true
    }
}

impl Scratch {
    /// Adds the bits of a value of plain characters at their places, run by run; false when it is empty.
    fn runs_filter(&mut self, plan: &FieldPlan, value: &[u8], clk: &mut [u64], memo: &mut RunMemo) -> bool {
        let Self { draws, order, .. } = self;
        if value.is_empty() {
            return false;
        }
        let (each, remainder) = (plan.budget / value.len(), plan.budget % value.len());
        draws.clear();
        for (number, run) in value.chunks(RUN).enumerate() {
            let first = number * RUN;
            memo.merge(number, run, each, clk, draws, |place, bits| {
                plan.positions.draw(&Message::letter(first + place, run[place]), each, bits)
            });
        }
        // No two characters at different places are one message, so none has to be left out.
        if remainder > 0 && !draw::draw_next_of_lowest(draws, remainder, clk) {
            order.clear();
            order.extend(0..draws.len() as u32);
            order.sort_unstable_by_key(|&index| (draws[index as usize].rank, index));
            order[..remainder].iter().for_each(|&index| set_bit(clk, draws[index as usize].next));
        }
        true
    }

    /// Sets the bits of one value in an empty filter; false when it has no q-gram.
    ///
    /// `merge` adds the bits of the first so many positions of each message, and appends the draws.
    #[inline]
    fn value_filter(
        &mut self,
        plan: &FieldPlan,
        value: &str,
        filter: &mut [u64],
        mut merge: impl FnMut(&[Message], usize, &mut [u64], &mut Vec<Draw>),
    ) -> bool {
        let Self { parts, messages, draws, order } = self;
        messages.clear();
        features::messages(plan.features, value, parts, messages);
        while !messages.is_empty() {
            let (each, remainder) = (plan.budget / messages.len(), plan.budget % messages.len());
            draws.clear();
            merge(messages, each, filter, draws);
            if draw::draw_next_of_lowest(draws, remainder, filter) {
                return true;
            }
            // By rank; equal ranks keep the order of the text, as equal messages draw the same.
            order.clear();
            order.extend(0..draws.len() as u32);
            order.sort_unstable_by_key(|&index| (draws[index as usize].rank, index));
            order.dedup_by(|b, a| {
                let (a, b) = (*a as usize, *b as usize);
                draws[a].rank == draws[b].rank && messages[a] == messages[b]
            });
            if order.len() == messages.len() {
                order[..remainder].iter().for_each(|&index| set_bit(filter, draws[index as usize].next));
                return true;
            }
            // A message that occurs twice counts once, so that each of the fewer messages draws more.
            order.sort_unstable();
            let first: Vec<Message> = order.iter().map(|&index| messages[index as usize]).collect();
            *messages = first;
            filter.fill(0);
        }
        false
    }
}
