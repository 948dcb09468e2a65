//! Conditions: customers wait for cakes, the baker waits for room; and a bank that many share.
//!
//! ```text
//! cargo run --release --example condition_shop
//! cargo run --release --example condition_shop -- 20 10 5    # three customers with that much money
//! ```
//!
//! A condition is a `Mutex` around what it is about, and a `Condvar` on which to wait for a change.

use std::time::Duration;

use clap::{Parser, value_parser};
use greenloop::sync::{Condvar, Mutex};
use greenloop::{scope, sleep};

const PRICE: u32 = 2;
const SHELF: u32 = 3;
const ROUNDS: u32 = 10;

/// One baker and customers with money; then five consumers and four producers of random amounts.
#[derive(Parser)]
struct Args {
    /// How much money each customer has
    #[arg(default_values_t = [10, 7], value_parser = value_parser!(u32).range(..=1_000))]
    money: Vec<u32>,
}

fn main() {
    let Args { money } = Args::parse();
    let shop = Mutex::new(Shop {
        cakes: 0,
        customers: money.len(),
    });
    let changed = Condvar::new();
    scope(|s| {
        s.spawn(|| bake(&shop, &changed));
        for (number, money) in (1..).zip(money) {
            let (shop, changed) = (&shop, &changed);
            s.spawn(move || buy(number, money, shop, changed));
        }
    });

    let (bank, changed) = (Mutex::new(Bank::default()), Condvar::new());
    scope(|s| {
        for _ in 0..5 {
            s.spawn(|| spend(&bank, &changed));
        }
        for _ in 0..4 {
            s.spawn(|| earn(&bank, &changed));
        }
    });
    let bank = bank.into_inner().unwrap();
    println!(
        "{} rounds: {} earned, {} spent, {} left",
        bank.rounds, bank.earned, bank.spent, bank.money
    );
}

struct Shop {
    cakes: u32,
    customers: usize,
}

/// Keeps the shelf full until the last customer has gone.
fn bake(shop: &Mutex<Shop>, changed: &Condvar) {
    loop {
        let is_waiting = |shop: &mut Shop| shop.cakes == SHELF && shop.customers > 0;
        let mut shop = changed
            .wait_while(shop.lock().unwrap(), is_waiting)
            .unwrap();
        if shop.customers == 0 {
            return println!("baker: nobody is left, the shop closes");
        }
        shop.cakes += 1;
        println!("baker: there are {} cakes", shop.cakes);
        changed.notify_all(); // not `notify_one`: that may wake the wrong one
        drop(shop);
        sleep(Duration::from_millis(10));
    }
}

/// Buys cakes as long as the money lasts.
fn buy(number: u32, mut money: u32, shop: &Mutex<Shop>, changed: &Condvar) {
    while money >= PRICE {
        let mut shop = changed
            .wait_while(shop.lock().unwrap(), |shop| shop.cakes == 0)
            .unwrap();
        shop.cakes -= 1;
        money -= PRICE;
        println!("customer {number}: a cake, please ({money} left)");
        changed.notify_all();
    }
    shop.lock().unwrap().customers -= 1;
    println!("customer {number}: I can buy no more");
    changed.notify_all();
}

#[derive(Default)]
struct Bank {
    money: u32,
    rounds: u32,
    earned: u32,
    spent: u32,
}

/// Brings money, until there were ten rounds of all producers together.
fn earn(bank: &Mutex<Bank>, changed: &Condvar) {
    loop {
        let amount = fastrand::u32(100..=1000);
        let mut bank = bank.lock().unwrap();
        if bank.rounds == ROUNDS {
            return;
        }
        bank.rounds += 1;
        bank.earned += amount;
        bank.money += amount;
        println!(
            "round {}: {amount} earned, there are {}",
            bank.rounds, bank.money
        );
        changed.notify_all(); // each of the consumers may have waited for this much
        drop(bank);
        sleep(Duration::from_millis(fastrand::u64(1..=20)));
    }
}

/// Takes random amounts, and waits until there is enough; gives up when no more will come.
fn spend(bank: &Mutex<Bank>, changed: &Condvar) {
    loop {
        let amount = fastrand::u32(100..=1000);
        let is_waiting = |bank: &mut Bank| bank.money < amount && bank.rounds < ROUNDS;
        let mut bank = changed
            .wait_while(bank.lock().unwrap(), is_waiting)
            .unwrap();
        if bank.money < amount {
            return println!("{amount} is too much: there are {}", bank.money);
        }
        bank.money -= amount;
        bank.spent += amount;
        println!("{amount} spent, there are {}", bank.money);
    }
}
