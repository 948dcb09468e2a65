//! The look at the program before it is run: why it can't be.

use memchr::memmem;
use object::elf::{self, FileHeader64, ProgramHeader64};
use object::read::elf::{Dyn, FileHeader, ProgramHeader, Sym};
use object::{Endianness, StringTable};
use std::ffi::CString;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Why a program can't be run: a text that says what to do, if anything can be done.
#[derive(Debug)]
pub(crate) struct Refusal(pub(crate) String);

impl Refusal {
    fn new<T>(why: impl Into<String>) -> Result<T, Refusal> {
        Err(Refusal(why.into()))
    }
}

/// May this user execute it?
pub(crate) fn is_executable(path: &Path) -> bool {
    let Ok(path) = CString::new(path.as_os_str().as_bytes()) else {
        return false;
    };
    // SAFETY: a C string.
    unsafe { libc::access(path.as_ptr(), libc::X_OK) == 0 }
}

/// Refuses what can't be run right.
pub(crate) fn check(path: &Path) -> Result<(), Refusal> {
    let metadata = fs::metadata(path).map_err(|error| Refusal(error.to_string()))?;
    if !metadata.is_file() {
        return Refusal::new("it is no regular file");
    }
    if !is_executable(path) {
        return Refusal::new("permission denied: it is not executable");
    }
    if metadata.permissions().mode() & (libc::S_ISUID | libc::S_ISGID) != 0 {
        return Refusal::new("it is setuid or setgid: no library is preloaded into such a program");
    }
    if has_capabilities(path) {
        return Refusal::new(
            "it has file capabilities: no library is preloaded into such a program",
        );
    }
    let bytes = read(path)?;
    check_image(&bytes)
}

fn read(path: &Path) -> Result<Vec<u8>, Refusal> {
    let error = |error: std::io::Error| Refusal(format!("it can't be read: {error}"));
    let mut bytes = Vec::new();
    let mut file = File::open(path).map_err(error)?;
    file.read_to_end(&mut bytes).map_err(error)?;
    Ok(bytes)
}

fn has_capabilities(path: &Path) -> bool {
    let Ok(path) = CString::new(path.as_os_str().as_bytes()) else {
        return false;
    };
    let name = c"security.capability";
    // SAFETY: C strings; without room it only says the size.
    unsafe { libc::getxattr(path.as_ptr(), name.as_ptr(), std::ptr::null_mut(), 0) > 0 }
}

type Header = FileHeader64<Endianness>;

const MACHINE: u16 = if cfg!(target_arch = "x86_64") {
    elf::EM_X86_64
} else {
    elf::EM_AARCH64
};

fn check_image(bytes: &[u8]) -> Result<(), Refusal> {
    if bytes.starts_with(b"#!") {
        return Refusal::new(script(bytes));
    }
    if !bytes.starts_with(&elf::ELFMAG) {
        return Refusal::new("it is no ELF program");
    }
    if bytes.get(4) != Some(&elf::ELFCLASS64) {
        return Refusal::new("it is no 64-bit program");
    }
    let broken = |_| Refusal("its ELF headers are broken".into());
    let header = Header::parse(bytes).map_err(broken)?;
    let endian = header.endian().map_err(broken)?;
    if header.e_machine(endian) != MACHINE || endian != Endianness::Little {
        return Refusal::new("it is a program of another machine");
    }
    if is_with_greenloop(bytes) {
        return Refusal::new("it is built with greenloop: it has green threads of its own");
    }
    let segments = header.program_headers(endian, bytes).map_err(broken)?;
    check_interpreter(segments, endian, bytes)?;
    check_go(header, endian, bytes).map_err(broken)??;
    check_libraries(header, endian, bytes).map_err(broken)??;
    check_symbols(header, endian, bytes).map_err(broken)?
}

/// Is our own runtime in it? Its threads have such names.
fn is_with_greenloop(bytes: &[u8]) -> bool {
    memmem::find(bytes, b"greenloop-blocking").is_some()
}

/// A script is its interpreter's program.
fn script(bytes: &[u8]) -> String {
    let line = bytes[2..]
        .split(|byte| *byte == b'\n')
        .next()
        .unwrap_or_default();
    let line = String::from_utf8_lossy(line);
    format!(
        "it is a script: run its interpreter, {}, with it as an argument",
        line.trim()
    )
}

fn check_interpreter(
    segments: &[ProgramHeader64<Endianness>],
    endian: Endianness,
    bytes: &[u8],
) -> Result<(), Refusal> {
    let name = segments
        .iter()
        .find_map(|it| it.interpreter(endian, bytes).ok()?);
    let Some(name) = name else {
        return Refusal::new(
            "it is linked statically: its calls of the C library can't be replaced",
        );
    };
    let name = String::from_utf8_lossy(name);
    let file = name.rsplit('/').next().unwrap_or_default();
    if !["ld-linux-x86-64.so.2", "ld-linux-aarch64.so.1"].contains(&file) {
        return Refusal::new(format!(
            "it is not linked with glibc: its interpreter is {name}"
        ));
    }
    Ok(())
}

type Checked = object::Result<Result<(), Refusal>>;

/// Go's runtime schedules its own threads, and calls the kernel itself.
fn check_go(header: &Header, endian: Endianness, bytes: &[u8]) -> Checked {
    let sections = header.sections(endian, bytes)?;
    let is_go = sections.section_by_name(endian, b".go.buildinfo").is_some();
    Ok(if is_go {
        Refusal::new("it is a Go program: its threads are not the C library's")
    } else {
        Ok(())
    })
}

/// Libraries that replace the same calls, or look at every thread's stack.
const FOREIGN_LIBRARIES: [&str; 6] = [
    "libasan.",
    "libtsan.",
    "liblsan.",
    "libhwasan.",
    "libmsan.",
    "libgreenloop",
];

fn check_libraries(header: &Header, endian: Endianness, bytes: &[u8]) -> Checked {
    let sections = header.sections(endian, bytes)?;
    let Some((entries, link)) = sections.dynamic(endian, bytes)? else {
        return Ok(Ok(()));
    };
    let strings: StringTable<'_> = sections.strings(endian, bytes, link)?;
    for entry in entries {
        if entry.tag32(endian) != Some(elf::DT_NEEDED) {
            continue;
        }
        let name = String::from_utf8_lossy(entry.string(endian, strings)?);
        if FOREIGN_LIBRARIES
            .iter()
            .any(|foreign| name.starts_with(foreign))
        {
            return Ok(Refusal::new(format!("it is linked with {name}")));
        }
    }
    Ok(Ok(()))
}

/// Calls of which a definition in the program itself would pass over ours, or ours over it.
const OWN_CALLS: [&str; 12] = [
    "accept4",
    "clock_nanosleep",
    "connect",
    "epoll_wait",
    "poll",
    "pthread_cond_wait",
    "pthread_create",
    "pthread_join",
    "pthread_mutex_lock",
    "read",
    "recv",
    "syscall",
];

fn check_symbols(header: &Header, endian: Endianness, bytes: &[u8]) -> Checked {
    let sections = header.sections(endian, bytes)?;
    let symbols = sections.symbols(endian, bytes, elf::SHT_DYNSYM)?;
    for symbol in symbols.iter() {
        if symbol.is_undefined(endian) {
            continue;
        }
        let name = String::from_utf8_lossy(symbol.name(endian, symbols.strings())?);
        if ["__asan_init", "__tsan_init", "__msan_init"].contains(&name.as_ref()) {
            return Ok(Refusal::new(format!(
                "it was built with a sanitizer ({name})"
            )));
        }
        if OWN_CALLS.contains(&name.as_ref()) {
            return Ok(Refusal::new(format!(
                "it defines the C library's `{name}` itself: is greenloop's monkey patch, or \
                 another interposer, linked into it?"
            )));
        }
    }
    Ok(Ok(()))
}
