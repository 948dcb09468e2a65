//! `Real`: the definition of a symbol that ours stands in front of.

use std::ffi::{CStr, c_void};
use std::marker::PhantomData;
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

/// The next definition of `name` after ours, as a function of type `F`: the C library's, or that of
/// another interposer. Public for greenloop-run alone.
#[derive(Debug)]
pub struct Real<F> {
    name: &'static CStr,
    /// Of a symbol of which there are several: dlsym would not take the default one.
    version: Option<&'static CStr>,
    /// Null until it was looked up. Whoever races finds the same.
    address: AtomicPtr<c_void>,
    function: PhantomData<F>,
}

impl<F: Copy> Real<F> {
    /// Of a symbol of one version.
    pub const fn new(name: &'static CStr) -> Self {
        Real {
            name,
            version: None,
            address: AtomicPtr::new(ptr::null_mut()),
            function: PhantomData,
        }
    }

    /// Of a symbol of that version, or of any.
    pub const fn versioned(name: &'static CStr, version: &'static CStr) -> Self {
        Real {
            version: Some(version),
            ..Real::new(name)
        }
    }

    /// # Safety
    ///
    /// `F` is the type of the function of that name.
    #[inline]
    pub unsafe fn get(&self) -> F {
        const { assert!(size_of::<F>() == size_of::<*mut c_void>()) };
        let mut address = self.address.load(Ordering::Relaxed);
        if address.is_null() {
            address = self.look_up();
        }
        // SAFETY: by the caller's word it is a function of this type; a pointer to it is as large.
        unsafe { std::mem::transmute_copy(&address) }
    }

    /// Without allocating: it may be an allocator that asks.
    #[cold]
    fn look_up(&self) -> *mut c_void {
        // SAFETY: the names are C strings.
        let address = unsafe {
            let versioned = self.version.map_or(ptr::null_mut(), |version| {
                libc::dlvsym(libc::RTLD_NEXT, self.name.as_ptr(), version.as_ptr())
            });
            if versioned.is_null() {
                libc::dlsym(libc::RTLD_NEXT, self.name.as_ptr())
            } else {
                versioned
            }
        };
        if address.is_null() {
            crate::abort(format_args!(
                "no definition of {:?} behind greenloop's own: a statically linked C library can't \
                 be patched",
                self.name
            ));
        }
        self.address.store(address, Ordering::Relaxed);
        address
    }
}

/// Defines a symbol of the C library: `hook!(name(real; arguments) -> type { … })`. Inside of the
/// body, `real` is the definition behind this one.
///
/// Its name has to be in `NAMES` of `hooks/mod.rs`, by which the self-check knows it.
macro_rules! hook {
    (
        $(#[$attribute:meta])*
        $name:ident($real:ident; $($argument:ident: $type:ty),* $(,)?) $(-> $result:ty)?
        $body:block
    ) => {
        hook!($(#[$attribute])* $name[None]($real; $($argument: $type),*) $(-> $result)? $body);
    };
    (
        $(#[$attribute:meta])*
        $name:ident@$version:literal($real:ident; $($argument:ident: $type:ty),* $(,)?)
        $(-> $result:ty)?
        $body:block
    ) => {
        hook!(
            $(#[$attribute])*
            $name[Some($version)]($real; $($argument: $type),*) $(-> $result)?
            $body
        );
    };
    (
        $(#[$attribute:meta])*
        $name:ident[$version:expr]($real:ident; $($argument:ident: $type:ty),*) $(-> $result:ty)?
        $body:block
    ) => {
        $(#[$attribute])*
        ///
        /// # Safety
        ///
        /// The C library's contract of the function of this name.
        #[unsafe(no_mangle)]
        pub(crate) unsafe extern "C-unwind" fn $name($($argument: $type),*) $(-> $result)? {
            type Function = unsafe extern "C-unwind" fn($($type),*) $(-> $result)?;
            static REAL: $crate::real::Real<Function> = {
                let version: Option<&'static std::ffi::CStr> = $version;
                let name = concat!(stringify!($name), "\0").as_bytes();
                let name = match std::ffi::CStr::from_bytes_with_nul(name) {
                    Ok(name) => name,
                    Err(_) => panic!("an identifier has no NUL"),
                };
                match version {
                    Some(version) => $crate::real::Real::versioned(name, version),
                    None => $crate::real::Real::new(name),
                }
            };
            const {
                let named = $crate::hooks::has(stringify!($name));
                assert!(named, "add its name to NAMES in hooks/mod.rs");
            };
            // SAFETY: the type is that of this function, which has the same name.
            let $real = || unsafe { REAL.get() };
            $body
        }
    };
}
pub(crate) use hook;

/// An address in the dynamic loader, or null.
pub(crate) fn loader() -> *const c_void {
    // SAFETY: the name is a C string.
    unsafe { libc::dlsym(libc::RTLD_DEFAULT, c"__tls_get_addr".as_ptr()) }
}
