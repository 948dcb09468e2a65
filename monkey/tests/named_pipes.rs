//! Named pipes, whose both ends are for green threads of one worker.

mod common;

use std::ffi::CString;
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};

#[test]
fn opening_one_end_does_not_keep_the_other_from_being_opened() {
    common::in_hub(|| {
        let name = format!("greenloop-pipe-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let c_path = CString::new(path.to_str().unwrap()).unwrap();
        // SAFETY: a C string.
        assert_eq!(unsafe { libc::mkfifo(c_path.as_ptr(), 0o600) }, 0);
        let other = path.clone();
        let reader = greenloop::spawn(move || {
            let mut text = String::new();
            File::open(other)?.read_to_string(&mut text)?;
            std::io::Result::Ok(text)
        });
        greenloop::yield_now();
        let mut writer = OpenOptions::new().write(true).open(&path).unwrap();
        writer.write_all(b"through").unwrap();
        drop(writer);
        assert_eq!(reader.join().unwrap().unwrap(), "through");
        fs::remove_file(path).unwrap();
    });
}
