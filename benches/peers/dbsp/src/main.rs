//! The point workload by dbsp, beside which `cargo xtask bench --peers` measures: the newest value of each
//! slot, sums and counts a company. No history, no row shown, no withdrawals: what is left out is in its favour.
//!
//! Points come as frames on standard input (`benches/src/points/peer.rs` writes them), and each frame is
//! answered with the nanoseconds that taking it in took; decoding is not counted. The last frame is answered
//! with a digest of the sums.

use std::collections::HashMap;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::time::Instant;

use anyhow::{Context as _, Result};
use dbsp::operator::{MapHandle, Update};
use dbsp::typed_batch::SpineSnapshot;
use dbsp::utils::{Tup2, Tup3};
use dbsp::{DBSPHandle, IndexedZSetReader as _, OrdIndexedZSet, OutputHandle, Runtime};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Plants a company, as in the workload.
const PLANTS_A_COMPANY: u64 = 20;
/// A value that is none.
const NULL: i64 = i64::MIN;
/// Bytes of a point: key, `valid_after`, sequence, value.
const POINT: usize = 32;
/// A count that says that nothing more comes.
const END: u32 = u32::MAX;

/// Series and slot of a point, packed: series in the upper half.
type Key = u64;
/// Order (`valid_after`, sequence) and value of a point.
type Said = Tup3<i64, u64, i64>;
/// Company and voice in the upper half, slot in the lower.
type SumKey = u64;
/// Sum and how many report.
type Sum = Tup2<i64, i64>;

struct Peer {
    circuit: DBSPHandle,
    input: MapHandle<Key, Said, Said>,
    output: OutputHandle<SpineSnapshot<OrdIndexedZSet<SumKey, Sum>>>,
    /// The sums as its output tells them.
    sums: HashMap<SumKey, (i64, i64)>,
}

fn main() -> Result<()> {
    let workers = std::env::args().nth(1).context("how many workers?")?.parse()?;
    let mut peer = Peer::start(workers)?;
    let (mut input, mut output) =
        (BufReader::new(io::stdin().lock()), BufWriter::new(io::stdout().lock()));
    let mut bytes = Vec::new();
    loop {
        let mut head = [0; 5];
        input.read_exact(&mut head)?;
        let count = u32::from_le_bytes([head[0], head[1], head[2], head[3]]);
        let answer = if count == END {
            peer.digest()
        } else {
            bytes.resize(count as usize * POINT, 0);
            input.read_exact(&mut bytes)?;
            peer.apply(decode(&bytes, head[4] == 1))?
        };
        output.write_all(&answer.to_le_bytes())?;
        output.flush()?;
        if count == END {
            return peer.circuit.kill().map_err(|_| anyhow::anyhow!("a worker has panicked"));
        }
    }
}

impl Peer {
    fn start(workers: usize) -> Result<Peer> {
        let (circuit, (input, output)) = Runtime::init_circuit(workers, |circuit| {
            // A point replaces the one before where it is not older.
            let newer = |known: &mut Said, said: &Said| {
                if (said.0, said.1) >= (known.0, known.1) {
                    *known = *said;
                }
            };
            let (latest, input) = circuit.add_input_map::<Key, Said, Said, _>(newer);
            let reporting = latest.filter(|(_, said)| said.2 != NULL);
            let of_company = reporting.map_index(|(key, said)| (sum_key(*key), said.2));
            let sums = of_company.aggregate_linear(|value| Tup2(*value, 1_i64));
            Ok((input, sums.accumulate_output()))
        })?;
        Ok(Peer { circuit, input, output, sums: HashMap::new() })
    }

    /// Takes points in; nanoseconds.
    fn apply(&mut self, mut points: Vec<Tup2<Key, Update<Said, Said>>>) -> Result<u64> {
        let begun = Instant::now();
        self.input.append(&mut points);
        self.circuit.transaction()?;
        let changed = self.output.concat();
        let took = begun.elapsed().as_nanos() as u64;
        for (key, sum, weight) in changed.iter() {
            let known = self.sums.entry(key).or_default();
            *known = (known.0 + sum.0 * weight, known.1 + sum.1 * weight);
        }
        Ok(took)
    }

    /// One number of all sums, as the benchmark makes it of its own.
    fn digest(&self) -> u64 {
        let standing = self.sums.iter().filter(|(_, (_, count))| *count != 0);
        standing.fold(0, |all, (key, (sum, count))| all.wrapping_add(mixed(*key, *sum, *count)))
    }
}

/// Points of a frame. A slot is known once `is_first` has said it.
fn decode(bytes: &[u8], is_first: bool) -> Vec<Tup2<Key, Update<Said, Said>>> {
    let point = |bytes: &[u8]| {
        let field = |at: usize| {
            let mut field = [0; 8];
            field.copy_from_slice(&bytes[at..at + 8]);
            u64::from_le_bytes(field)
        };
        let said = Tup3(field(8) as i64, field(16), field(24) as i64);
        Tup2(field(0), if is_first { Update::Insert(said) } else { Update::Update(said) })
    };
    bytes.chunks_exact(POINT).map(point).collect()
}

/// Of a point's key: plant in the upper 16 bits of the series, provider and period in the lower.
fn sum_key(key: Key) -> SumKey {
    let (series, slot) = (key >> 32, key & 0xffff_ffff);
    let company = ((series >> 16) - 1) / PLANTS_A_COMPANY;
    company << 48 | (series & 0xffff) << 32 | slot
}

/// The same number for the same sum, whatever the order in which they are added up.
fn mixed(key: u64, sum: i64, count: i64) -> u64 {
    let mut mixed = key.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    for field in [sum as u64, count as u64] {
        mixed = (mixed ^ field ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    }
    mixed ^ (mixed >> 31)
}
