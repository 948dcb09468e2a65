//! `front!`: a symbol of the C library that the program's calls arrive at first.

/// Defines a symbol of the C library: `front!(name(real; arguments) -> type { … })`. Inside of the
/// body, `real` is the definition behind this one.
macro_rules! front {
    (
        $(#[$attribute:meta])*
        $name:ident($real:ident; $($argument:ident: $type:ty),* $(,)?) $(-> $result:ty)? $body:block
    ) => {
        $(#[$attribute])*
        ///
        /// # Safety
        ///
        /// The C library's contract of the function of this name.
        #[unsafe(no_mangle)]
        pub(crate) unsafe extern "C-unwind" fn $name($($argument: $type),*) $(-> $result)? {
            type Function = unsafe extern "C-unwind" fn($($type),*) $(-> $result)?;
            static REAL: greenloop_monkey::program::Real<Function> = {
                let name = concat!(stringify!($name), "\0").as_bytes();
                match std::ffi::CStr::from_bytes_with_nul(name) {
                    Ok(name) => greenloop_monkey::program::Real::new(name),
                    Err(_) => panic!("an identifier has no NUL"),
                }
            };
            // SAFETY: the type is that of this function, which has the same name.
            let $real = || unsafe { REAL.get() };
            $body
        }
    };
}
pub(crate) use front;
