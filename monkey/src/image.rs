//! The first values of thread-locals: what a new thread would find.

use std::ffi::{CStr, c_int, c_void};
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

/// Gives every thread-local of the calling thread that exists by now its first value, those of the C
/// library and its loader apart: they hold what outlives a thread's user, as the allocator's cache.
///
/// # Safety
///
/// Nothing of the thread's storage is borrowed, and its destructors have run.
pub(crate) unsafe fn reset() {
    let mut keep = kept();
    // SAFETY: `reset_module` gets what it wants.
    unsafe { libc::dl_iterate_phdr(Some(reset_module), (&raw mut keep).cast()) };
    // SAFETY: the calling thread's own locale, which it no longer uses.
    unsafe { libc::uselocale(LC_GLOBAL_LOCALE) };
}

/// Where the modules whose thread-locals are kept were loaded: the C library, and its loader.
fn kept() -> [*const c_void; 2] {
    static KEPT: [AtomicPtr<c_void>; 2] = [const { AtomicPtr::new(ptr::null_mut()) }; 2];
    if KEPT[1].load(Ordering::Acquire).is_null() {
        let library = module_of(libc::gnu_get_libc_version as *const c_void);
        KEPT[0].store(library.cast_mut(), Ordering::Relaxed);
        KEPT[1].store(
            module_of(crate::real::loader()).cast_mut(),
            Ordering::Release,
        );
    }
    [0, 1].map(|index| KEPT[index].load(Ordering::Relaxed).cast_const())
}

/// The process's own locale, of <locale.h>.
const LC_GLOBAL_LOCALE: libc::locale_t = ptr::without_provenance_mut(usize::MAX);

/// Where the module that `address` belongs to was loaded; null if it belongs to none.
pub(crate) fn module_of(address: *const c_void) -> *const c_void {
    info_of(address).dli_fbase
}

/// The file of the module that `address` belongs to; empty if it belongs to none.
pub(crate) fn file_of(address: *const c_void) -> String {
    let name = info_of(address).dli_fname;
    if name.is_null() {
        return String::new();
    }
    // SAFETY: the loader's own string, of a loaded module.
    unsafe { CStr::from_ptr(name) }
        .to_string_lossy()
        .into_owned()
}

fn info_of(address: *const c_void) -> libc::Dl_info {
    // SAFETY: plain data, for which zeros are valid.
    let mut info: libc::Dl_info = unsafe { std::mem::zeroed() };
    // SAFETY: any address may be asked for.
    unsafe { libc::dladdr(address, &mut info) };
    info
}

/// # Safety
///
/// Called by `dl_iterate_phdr`, with the addresses of two modules to keep, by [`reset`].
unsafe extern "C" fn reset_module(
    info: *mut libc::dl_phdr_info,
    _size: usize,
    keep: *mut c_void,
) -> c_int {
    // SAFETY: the caller's contract: `info` describes a loaded module, with as many headers as it
    // says.
    let (info, headers, keep) = unsafe {
        let info = &*info;
        let headers = std::slice::from_raw_parts(info.dlpi_phdr, info.dlpi_phnum.into());
        (info, headers, &*keep.cast::<[*const c_void; 2]>())
    };
    // Null while this thread has not touched the module's thread-locals.
    if info.dlpi_tls_data.is_null() || keep.contains(&first_byte(info, headers)) {
        return 0;
    }
    if let Some(segment) = headers.iter().find(|it| it.p_type == libc::PT_TLS) {
        let image = ptr::with_exposed_provenance::<u8>((info.dlpi_addr + segment.p_vaddr) as usize);
        let storage = info.dlpi_tls_data.cast::<u8>();
        let (filled, size) = (segment.p_filesz as usize, segment.p_memsz as usize);
        // SAFETY: the module's image and the thread's copy of it are as large as the segment says,
        // and nobody borrows the copy.
        unsafe {
            ptr::copy_nonoverlapping(image, storage, filled);
            ptr::write_bytes(storage.add(filled), 0, size - filled);
        }
    }
    0
}

/// Where a module was loaded, as `dladdr` says it.
fn first_byte(info: &libc::dl_phdr_info, headers: &[libc::Elf64_Phdr]) -> *const c_void {
    let loaded = headers.iter().filter(|it| it.p_type == libc::PT_LOAD);
    let lowest = loaded.map(|it| it.p_vaddr & !0xfff).min().unwrap_or(0);
    ptr::with_exposed_provenance((info.dlpi_addr + lowest) as usize)
}
