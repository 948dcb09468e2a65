//! A first look: std's own calls on full green threads of one hub.
use std::time::{Duration, Instant};
fn main() {
    greenloop::monkey::patch_all().unwrap();
    greenloop::run(|| {
        let start = Instant::now();
        let all: Vec<_> = (0..20).map(|i| greenloop::spawn_local(move || { std::thread::sleep(Duration::from_millis(200)); (i, std::thread::current().id()) })).collect();
        let mut ids: Vec<_> = all.into_iter().map(|h| h.join().unwrap().1).collect();
        println!("sleep {:?}", start.elapsed());
        ids.dedup();
        println!("{} ids", ids.len());
        thread_local!(static X: std::cell::RefCell<Vec<D>> = const { std::cell::RefCell::new(Vec::new()) });
        struct D(i32);
        impl Drop for D { fn drop(&mut self) { std::thread::sleep(Duration::from_millis(10)); println!("drop {}", self.0) } }
        let t = Instant::now();
        for i in 0..3 { greenloop::spawn_local(move || X.with_borrow_mut(|x| { println!("len {}", x.len()); x.push(D(i)); std::thread::sleep(Duration::from_millis(10)); })); }
        std::thread::sleep(Duration::from_millis(100));
        println!("{:?}", t.elapsed());
        let r = greenloop::spawn_local(|| { let _ = std::panic::catch_unwind(|| panic!("x")); std::panic::catch_unwind(|| 1).unwrap() }).join().unwrap();
        println!("{r}");
    });
}
