//! Idlegrid for programs in Rust, in the sandbox and at home alike.

#[cfg(target_family = "wasm")]
mod host {
    #[link(wasm_import_module = "idlegrid")]
    extern "C" {
        pub fn progress(fraction: f64);
        pub fn safepoint();
    }
}

/// Where inputs lie and outputs go.
#[cfg(target_family = "wasm")]
pub const INPUT: &str = "/in";
#[cfg(target_family = "wasm")]
pub const OUTPUT: &str = "/out";
#[cfg(not(target_family = "wasm"))]
pub const INPUT: &str = "in";
#[cfg(not(target_family = "wasm"))]
pub const OUTPUT: &str = "out";

/// Say how much is done, from 0 to 1.
pub fn progress(fraction: f64) {
    #[cfg(target_family = "wasm")]
    unsafe {
        host::progress(fraction)
    }
    #[cfg(not(target_family = "wasm"))]
    let _ = fraction;
}

/// Here the program may be saved. Call it in long loops that call nothing else of the host.
pub fn safepoint() {
    #[cfg(target_family = "wasm")]
    unsafe {
        host::safepoint()
    }
}
