//! The self-check at the first patch: does every call arrive here, and do green threads with
//! thread-locals of their own work?

use crate::block;
use crate::error::{PatchError, PatchErrorKind};
use crate::hooks;
use crate::image::{file_of, module_of};
use crate::patch;
use crate::probe;
use greenloop_runtime::foreign::{self, Block};
use libc::c_void;
use std::ffi::{CStr, CString};
use std::io;
use std::path::Path;

/// Makes all ready for patching, or says why it can't be. May be called again after an error.
pub(crate) fn prepare() -> Result<(), PatchError> {
    is_dynamic()?;
    for name in hooks::NAMES {
        arrives(name)?;
    }
    // Only now: a full green thread relies on the symbols.
    // SAFETY: `block::take` gives out a block that is in the pool, or new, and takes it out of it.
    unsafe { foreign::offer(take_block) };
    probe::run()?;
    end_in_forked_children()
}

/// Takes thread-local storage for a full green thread, if such are sound by now.
fn take_block() -> io::Result<&'static dyn Block> {
    if patch::is_in_force() || probe::is_caller() {
        return block::take();
    }
    let what = "full green threads (`own_tls`) need `greenloop::monkey` in force: call one of its \
                patch functions first";
    Err(io::Error::new(io::ErrorKind::Unsupported, what))
}

fn is_dynamic() -> Result<(), PatchError> {
    let library = module_of(libc::gnu_get_libc_version as *const c_void);
    if library.is_null() || library == ours() {
        let why = "the C library is linked statically (`crt-static`): its own calls can't be \
                   replaced. Link it dynamically";
        return Err(PatchError::new(PatchErrorKind::Platform, why.into()));
    }
    Ok(())
}

/// The module that this code lies in.
fn ours() -> *const c_void {
    module_of(ours as *const c_void)
}

/// Is `name` ours for all the process, and the C library's behind ours?
fn arrives(name: &str) -> Result<(), PatchError> {
    let symbol = CString::new(name).expect("an identifier");
    let first = find(libc::RTLD_DEFAULT, &symbol);
    // A C library that lacks the call: nobody can make it.
    if first.is_null() {
        return Ok(());
    }
    if module_of(first) != ours() {
        return Err(bypassed(name, &file_of(first)));
    }
    let next = file_of(find(libc::RTLD_NEXT, &symbol));
    if next.is_empty() || is_c_library(&next) {
        return Ok(());
    }
    let why = format!(
        "`{name}` is defined by {next} as well, whose definition green threads would pass over: is \
         it in LD_PRELOAD? Run the program without it"
    );
    Err(PatchError::new(PatchErrorKind::Symbol, why))
}

fn bypassed(name: &str, file: &str) -> PatchError {
    let ours = file_of(ours as *const c_void);
    let why = if is_c_library(file) {
        format!(
            "`{name}` of this process is that of {file}, not that of {ours}, where greenloop is: a \
             library that a foreign program has loaded can't patch it. Link greenloop into the \
             program itself"
        )
    } else {
        format!(
            "`{name}` of this process is that of {file}, which stands before that of {ours}, where \
             greenloop is: is it in LD_PRELOAD? Run the program without it"
        )
    };
    PatchError::new(PatchErrorKind::Symbol, why)
}

fn find(handle: *mut c_void, name: &CStr) -> *const c_void {
    // SAFETY: the name is a C string, and the handle one of the two that always are.
    unsafe { libc::dlsym(handle, name.as_ptr()) }
}

/// Is it one of glibc's libraries, by its name? Before 2.34 there were several.
fn is_c_library(file: &str) -> bool {
    let name = Path::new(file).file_name().unwrap_or_default();
    let name = name.to_string_lossy();
    ["libc", "libpthread", "libresolv", "librt"]
        .iter()
        .any(|library| {
            let rest = name.strip_prefix(library);
            rest.is_some_and(|rest| rest.starts_with(".so") || rest.starts_with("-2."))
        })
}

extern "C" fn in_child() {
    patch::end_in_child();
}

fn end_in_forked_children() -> Result<(), PatchError> {
    // SAFETY: the handler does nothing but set flags, which a forked child may do.
    let result = unsafe { libc::pthread_atfork(None, None, Some(in_child)) };
    if result == 0 {
        return Ok(());
    }
    let cause = io::Error::from_raw_os_error(result);
    let why = format!("no handler of forks could be registered: {cause}");
    Err(PatchError::new(PatchErrorKind::System, why))
}
