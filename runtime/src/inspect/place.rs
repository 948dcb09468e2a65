//! `Place`: where running code is, as its monitor found it.

use super::whose::{Whose, worth_reading};
use crate::context;
use crate::sample::Sample;
use std::ffi::c_void;
use std::fmt;
use std::fs::{self, File};
use std::ops::Range;
use std::os::unix::fs::FileExt;

/// Where a green thread was while it ran. `Display` looks the symbols up, and ends with the outermost
/// function of the program; `{:#}` shows what comes after it, too.
///
/// The first address is exact. The others are what its stack holds that could be return addresses:
/// most are the calls that led there, in order, and some may be left over from earlier calls. An
/// unwinder, which would tell them apart, can't be run safely in a signal handler.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Place {
    addresses: Vec<usize>,
}

/// So many are enough to see where it is.
const MOST: usize = 64;

impl Place {
    pub(super) fn of(sample: &Sample) -> Place {
        let code = Code::read();
        let callers = sample.words.iter().copied();
        let callers = callers.filter(|it| code.as_ref().is_some_and(|code| code.returns_to(*it)));
        let addresses = std::iter::once(sample.instruction).chain(callers);
        Place {
            addresses: addresses.take(MOST).collect(),
        }
    }

    /// The address of the next instruction, and those of possible callers, the innermost first.
    pub fn addresses(&self) -> &[usize] {
        &self.addresses
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let calls = self.calls();
        let whose: Vec<Whose> = calls.iter().map(Call::whose).collect();
        // It runs: where it is within the library is told as well.
        let end = worth_reading(&whose).end;
        let shown = if f.alternate() {
            &calls[..]
        } else {
            &calls[..end]
        };
        shown.iter().try_for_each(|it| it.write(f))
    }
}

/// A function that was called, or into which a call was inlined.
struct Call {
    is_first: bool,
    name: String,
    file: Option<String>,
    line: Option<u32>,
}

impl Place {
    /// Written later: foreign code must not run, nor wait, while symbols are looked up.
    fn calls(&self) -> Vec<Call> {
        // As in `Frames`.
        let _own = context::hooks_off();
        let mut calls = Vec::new();
        for (number, address) in self.addresses.iter().enumerate() {
            let is_first = number == 0;
            // A return address lies behind its call, perhaps in the next line.
            let inside = address - usize::from(!is_first);
            backtrace::resolve(inside as *mut c_void, |symbol| {
                calls.extend(Call::new(is_first, symbol));
            });
        }
        calls
    }
}

impl Call {
    fn new(is_first: bool, symbol: &backtrace::Symbol) -> Option<Call> {
        let file = symbol.filename();
        Some(Call {
            is_first,
            name: format!("{:#}", symbol.name()?),
            file: file.map(|it| it.display().to_string()),
            line: symbol.lineno(),
        })
    }

    fn whose(&self) -> Whose {
        Whose::of(&self.name, self.file.as_deref())
    }

    fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let start = if self.is_first { "  at" } else { "  from" };
        write!(f, "{start} {}", self.name)?;
        if let (Some(file), Some(line)) = (&self.file, self.line) {
            write!(f, " ({file}:{line})")?;
        }
        writeln!(f)
    }
}

/// This process's code, read by the system, as some of it may be unmapped by now.
struct Code {
    ranges: Vec<Range<usize>>,
    memory: File,
}

impl Code {
    /// None without `/proc`.
    fn read() -> Option<Code> {
        let maps = fs::read_to_string("/proc/self/maps").ok()?;
        Some(Code {
            ranges: maps.lines().filter_map(code_of).collect(),
            memory: File::open("/proc/self/mem").ok()?,
        })
    }

    /// Could it be a return address: does a call stand before it?
    fn returns_to(&self, address: usize) -> bool {
        const LONGEST: usize = 7;
        let mut before = [0; LONGEST];
        self.ranges.iter().any(|it| it.contains(&address))
            && (self.memory)
                .read_exact_at(&mut before, (address - LONGEST) as u64)
                .is_ok_and(|()| ends_with_call(&before))
    }
}

fn code_of(line: &str) -> Option<Range<usize>> {
    let (range, rest) = line.split_once(' ')?;
    let (start, end) = range.split_once('-')?;
    let number = |text| usize::from_str_radix(text, 16).ok();
    let is_code = rest.as_bytes().get(2) == Some(&b'x');
    Some(number(start)?..number(end)?).filter(|_| is_code)
}

#[cfg(target_arch = "x86_64")]
fn ends_with_call(code: &[u8; 7]) -> bool {
    let relative = code[2] == 0xe8;
    // FF /2: through a register, or through memory with no, one or four bytes of displacement.
    let indirect = |at: usize| code[at] == 0xff && code[at + 1] & 0x38 == 0x10;
    relative || [0, 1, 3, 4, 5].into_iter().any(indirect)
}

#[cfg(target_arch = "aarch64")]
fn ends_with_call(code: &[u8; 7]) -> bool {
    let instruction = u32::from_le_bytes([code[3], code[4], code[5], code[6]]);
    let to_label = instruction >> 26 == 0b100101;
    let to_register = instruction & 0xffff_fc1f == 0xd63f_0000;
    to_label || to_register
}
