//! `Attributes`: what a new thread is to be like, as far as a green thread can be so.

use libc::{c_int, c_void, pthread_attr_t, sigset_t, size_t};
use std::mem::MaybeUninit;
use std::ptr;

unsafe extern "C" {
    fn pthread_attr_getdetachstate(attributes: *const pthread_attr_t, state: *mut c_int) -> c_int;
    fn pthread_attr_getinheritsched(
        attributes: *const pthread_attr_t,
        inherit: *mut c_int,
    ) -> c_int;
    fn pthread_attr_getschedpolicy(attributes: *const pthread_attr_t, policy: *mut c_int) -> c_int;
}

/// `PTHREAD_EXPLICIT_SCHED` of <pthread.h>.
const EXPLICIT: c_int = 1;

/// See the module.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attributes {
    /// In bytes.
    pub(crate) stack_size: usize,
    pub(crate) detached: bool,
    /// The signals to block, if not its maker's.
    pub(crate) mask: Option<u64>,
}

impl Attributes {
    /// Of what `pthread_create` is given; none if only an OS thread can be like that: on a stack of
    /// the program's, on certain processors, or with a scheduling of its own.
    ///
    /// # Safety
    ///
    /// `attributes` is null or was initialised.
    pub(crate) unsafe fn read(attributes: *const pthread_attr_t) -> Option<Attributes> {
        if attributes.is_null() {
            return Some(Attributes::default());
        }
        // SAFETY: the caller's word.
        unsafe {
            if has_own_stack(attributes) || is_scheduled(attributes) || is_bound(attributes) {
                return None;
            }
            let mut state = 0;
            pthread_attr_getdetachstate(attributes, &mut state);
            Some(Attributes {
                stack_size: stack_size(attributes),
                detached: state == libc::PTHREAD_CREATE_DETACHED,
                mask: mask(attributes),
            })
        }
    }
}

impl Default for Attributes {
    /// Those of `pthread_create` without any.
    fn default() -> Self {
        let mut attributes = MaybeUninit::<pthread_attr_t>::uninit();
        // SAFETY: initialised by the first call.
        let stack_size = unsafe {
            libc::pthread_attr_init(attributes.as_mut_ptr());
            let size = stack_size(attributes.as_ptr());
            libc::pthread_attr_destroy(attributes.as_mut_ptr());
            size
        };
        Attributes {
            stack_size,
            detached: false,
            mask: None,
        }
    }
}

unsafe fn stack_size(attributes: *const pthread_attr_t) -> usize {
    let mut size: size_t = 0;
    // SAFETY: the caller's word.
    unsafe { libc::pthread_attr_getstacksize(attributes, &mut size) };
    size
}

unsafe fn has_own_stack(attributes: *const pthread_attr_t) -> bool {
    let (mut low, mut size): (*mut c_void, size_t) = (ptr::null_mut(), 0);
    // SAFETY: the caller's word.
    let result = unsafe { libc::pthread_attr_getstack(attributes, &mut low, &mut size) };
    // Without one the C library's upper end is null.
    result == 0 && low.addr().wrapping_add(size) != 0
}

unsafe fn is_scheduled(attributes: *const pthread_attr_t) -> bool {
    let (mut inherit, mut policy) = (0, 0);
    // SAFETY: the caller's word.
    unsafe {
        pthread_attr_getinheritsched(attributes, &mut inherit);
        pthread_attr_getschedpolicy(attributes, &mut policy);
    }
    inherit == EXPLICIT && policy != libc::SCHED_OTHER
}

/// Is it bound to some processors? Without that the C library says all.
unsafe fn is_bound(attributes: *const pthread_attr_t) -> bool {
    // SAFETY: plain data, for which zeros are valid.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    let size = size_of_val(&set);
    // SAFETY: the caller's word; there is room for the set.
    let result = unsafe { libc::pthread_attr_getaffinity_np(attributes, size, &mut set) };
    // SAFETY: a set of bits.
    result == 0 && unsafe { libc::CPU_COUNT(&set) as usize } != size * 8
}

/// The mask of `pthread_attr_setsigmask_np`, which the C library has since 2.32.
unsafe fn mask(attributes: *const pthread_attr_t) -> Option<u64> {
    type Get = unsafe extern "C" fn(*const pthread_attr_t, *mut sigset_t) -> c_int;
    // SAFETY: the name is a C string.
    let get = unsafe { libc::dlsym(libc::RTLD_DEFAULT, c"pthread_attr_getsigmask_np".as_ptr()) };
    if get.is_null() {
        return None;
    }
    // SAFETY: the function of that name is of this type.
    let get: Get = unsafe { std::mem::transmute(get) };
    let mut set = MaybeUninit::<sigset_t>::zeroed();
    // SAFETY: the caller's word; there is room for the set, whose first word are the kernel's.
    unsafe { (get(attributes, set.as_mut_ptr()) == 0).then(|| set.as_ptr().cast::<u64>().read()) }
}
