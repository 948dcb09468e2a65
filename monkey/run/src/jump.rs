//! `longjmp` and its family, which must not leave a signal's handler.

use crate::front::front;
use crate::identity::check_jump;
use libc::{c_int, c_void};

/// Defines the functions of the family.
macro_rules! jumps {
    ($($name:ident)*) => {$(
        front! {
            /// Goes back to where `setjmp` was called.
            $name(real; place: *mut c_void, value: c_int) -> ! {
                check_jump();
                // SAFETY: the caller's contract. This frame has nothing to drop.
                unsafe { real()(place, value) }
            }
        }
    )*};
}

jumps! { longjmp _longjmp siglongjmp __longjmp_chk }
