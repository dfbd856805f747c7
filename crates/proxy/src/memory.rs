//! Memory that nobody needs any more.

/// Gives the system back what was freed, also what lies between pieces that are still in use. Takes
/// some milliseconds where that is much.
pub(crate) fn give_back() {
    #[cfg(target_env = "gnu")]
    #[expect(
        unsafe_code,
        reason = "the system's library has it as a function of C alone; it takes no pointer and \
                  moves nothing that is in use"
    )]
    // SAFETY: it may be called at any time, from any thread.
    unsafe {
        libc::malloc_trim(0);
    }
}
