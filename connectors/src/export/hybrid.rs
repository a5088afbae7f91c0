//! Parquet's run-length / bit-packed hybrid: the form of definition levels and dictionary keys.
//!
//! It takes runs, not rows: the rows of an export come in long stretches of one series and of few batches,
//! and a stretch costs the same whether it is ten rows or ten thousand.

/// Values in a bit-packed group.
const GROUP: usize = 8;
/// Most groups in one bit-packed run, so that its header is one byte.
const LITERAL_GROUPS: usize = 63;

/// Encodes `runs` of (value, length) with `width` bits a value (1 to 32), appending to `out`.
pub(super) fn encode(runs: impl Iterator<Item = (u32, u32)>, width: u32, out: &mut Vec<u8>) {
    let mut encoder = Encoder { out, width, literals: [0; LITERAL_GROUPS * GROUP], pending: 0 };
    // Neighbouring runs of one value are one run: other columns end a stretch where this one does not.
    let mut open = (0, 0_u32);
    for (value, length) in runs {
        if value == open.0 {
            open.1 += length;
        } else {
            encoder.run(open.0, open.1);
            open = (value, length);
        }
    }
    encoder.run(open.0, open.1);
    encoder.flush_literals();
}

/// Bits needed for keys into a dictionary of `values` entries; at least one, which every reader knows.
pub(super) fn key_width(values: usize) -> u32 {
    (usize::BITS - values.saturating_sub(1).leading_zeros()).max(1)
}

struct Encoder<'a> {
    out: &'a mut Vec<u8>,
    width: u32,
    /// Values waiting to be bit-packed; only the last run of the stream may hold a part of a group.
    literals: [u32; LITERAL_GROUPS * GROUP],
    pending: usize,
}

impl Encoder<'_> {
    fn run(&mut self, value: u32, mut length: u32) {
        // A group that was begun has to be filled before a repeated run may start.
        while length > 0 && (!self.pending.is_multiple_of(GROUP) || length < GROUP as u32) {
            self.literal(value);
            length -= 1;
        }
        if length > 0 {
            self.flush_literals();
            self.varint(length << 1);
            let bytes = value.to_le_bytes();
            self.out.extend_from_slice(&bytes[..self.width.div_ceil(8) as usize]);
        }
    }

    fn literal(&mut self, value: u32) {
        self.literals[self.pending] = value;
        self.pending += 1;
        if self.pending == self.literals.len() {
            self.flush_literals();
        }
    }

    fn flush_literals(&mut self) {
        if self.pending == 0 {
            return;
        }
        let groups = self.pending.div_ceil(GROUP);
        self.literals[self.pending..groups * GROUP].fill(0);
        self.out.push((groups as u8) << 1 | 1);
        let mut bits = 0_u64;
        let mut held = 0;
        for value in &self.literals[..groups * GROUP] {
            bits |= u64::from(*value) << held;
            held += self.width;
            if held >= 32 {
                self.out.extend_from_slice(&(bits as u32).to_le_bytes());
                bits >>= 32;
                held -= 32;
            }
        }
        // Eight values fill whole bytes, so what is held is a whole number of them.
        self.out.extend_from_slice(&bits.to_le_bytes()[..held as usize / 8]);
        self.pending = 0;
    }

    fn varint(&mut self, mut value: u32) {
        while value >= 0x80 {
            self.out.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.out.push(value as u8);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Decodes by the letter of the format, value by value.
    fn decode(bytes: &[u8], width: u32, count: usize) -> Vec<u32> {
        let mut values = Vec::new();
        let mut at = 0;
        while values.len() < count {
            let mut header = 0_u32;
            for shift in (0..).step_by(7) {
                header |= u32::from(bytes[at] & 0x7f) << shift;
                at += 1;
                if bytes[at - 1] < 0x80 {
                    break;
                }
            }
            if header & 1 == 0 {
                let mut value = [0; 4];
                let size = width.div_ceil(8) as usize;
                value[..size].copy_from_slice(&bytes[at..at + size]);
                at += size;
                values.extend((0..header >> 1).map(|_| u32::from_le_bytes(value)));
                continue;
            }
            let size = (header >> 1) * width;
            let packed = &bytes[at..at + size as usize];
            let bit = |index: u32| u32::from(packed[index as usize / 8] >> (index % 8) & 1);
            for value in 0..(header >> 1) * 8 {
                values.push((0..width).fold(0, |sum, at| sum | bit(value * width + at) << at));
            }
            at += size as usize;
        }
        assert_eq!(at, bytes.len(), "the stream ends where its values do");
        values.truncate(count);
        values
    }

    #[test]
    fn runs_come_back_at_every_width() {
        let mut state = 7_u64;
        let mut random = |below: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) % below
        };
        for width in 1..=32 {
            for longest in [1, 3, 9, 700] {
                let largest = u32::MAX >> (32 - width);
                let runs: Vec<(u32, u32)> = (0..300)
                    .map(|_| (random(u64::from(largest) + 1) as u32, random(longest) as u32 + 1))
                    .collect();
                let values: Vec<u32> =
                    runs.iter().flat_map(|(value, length)| (0..*length).map(|_| *value)).collect();
                let mut bytes = Vec::new();
                encode(runs.into_iter(), width, &mut bytes);
                assert_eq!(decode(&bytes, width, values.len()), values, "{width} {longest}");
            }
        }
    }

    #[test]
    fn one_value_for_all_rows_is_a_few_bytes() {
        let mut bytes = Vec::new();
        encode((0..1_000).map(|_| (3, 96)), 2, &mut bytes);
        assert_eq!(bytes.len(), 4);
        assert_eq!(
            (key_width(0), key_width(1), key_width(2), key_width(3), key_width(256)),
            (1, 1, 1, 2, 8)
        );
    }
}
