//! Clients of redis, PostgreSQL and MariaDB, in Rust and in C. `servers.sh` starts the servers, and
//! says in the environment where.

use super::Missing;
use diesel::connection::SimpleConnection;
use diesel::r2d2::{ConnectionManager, Pool};
use diesel::{Connection, MysqlConnection, PgConnection, QueryableByName, RunQueryDsl, sql_query};
use mysql::prelude::Queryable;
use std::sync::OnceLock;

fn missing(variable: &str, server: &str) -> Option<Missing> {
    let unset = std::env::var_os(variable).is_none();
    unset.then(|| {
        Missing(format!(
            "no {server}: servers.sh starts it if it is installed"
        ))
    })
}

fn address(variable: &str) -> String {
    std::env::var(variable).expect("asked for before")
}

pub fn redis_missing() -> Option<Missing> {
    missing("COMPAT_REDIS", "redis-server")
}

pub fn postgres_missing() -> Option<Missing> {
    missing("COMPAT_POSTGRES", "PostgreSQL")
}

pub fn mariadb_missing() -> Option<Missing> {
    missing("COMPAT_MARIADB", "MariaDB")
}

/// Nobody pushes: the server answers after 0.2 s, which it looks for ten times a second.
pub fn redis_blpop(number: usize) -> String {
    let client = redis::Client::open(address("COMPAT_REDIS")).unwrap();
    let mut connection = client.get_connection().unwrap();
    let none: Option<(String, String)> = redis::cmd("BLPOP")
        .arg(format!("nothing-{number}"))
        .arg(0.2)
        .query(&mut connection)
        .unwrap();
    format!("{none:?}")
}

#[derive(QueryableByName)]
struct Number {
    #[diesel(sql_type = diesel::sql_types::Integer)]
    number: i32,
}

fn select_slowly_from_postgres(connection: &mut PgConnection, number: usize) -> String {
    connection.batch_execute("select pg_sleep(0.2)").unwrap();
    let found: Number = sql_query(format!("select {number} as number"))
        .get_result(connection)
        .unwrap();
    found.number.to_string()
}

pub fn diesel_libpq(number: usize) -> String {
    let mut connection = PgConnection::establish(&address("COMPAT_POSTGRES")).unwrap();
    select_slowly_from_postgres(&mut connection, number)
}

pub fn r2d2_libpq(number: usize) -> String {
    static POOL: OnceLock<Pool<ConnectionManager<PgConnection>>> = OnceLock::new();
    let pool = POOL.get_or_init(|| {
        let manager = ConnectionManager::new(address("COMPAT_POSTGRES"));
        Pool::builder().max_size(20).build(manager).unwrap()
    });
    select_slowly_from_postgres(&mut pool.get().unwrap(), number)
}

pub fn postgres(number: usize) -> String {
    let mut client =
        ::postgres::Client::connect(&address("COMPAT_POSTGRES"), ::postgres::NoTls).unwrap();
    client.batch_execute("select pg_sleep(0.2)").unwrap();
    let row = client
        .query_one(&format!("select {number}::int"), &[])
        .unwrap();
    row.get::<_, i32>(0).to_string()
}

pub fn mysql(number: usize) -> String {
    let mut connection = ::mysql::Conn::new(address("COMPAT_MARIADB").as_str()).unwrap();
    let found: Option<(u32, u32)> = connection
        .query_first(format!("select sleep(0.2), {number}"))
        .unwrap();
    format!("{found:?}")
}

pub fn diesel_libmariadb(number: usize) -> String {
    let mut connection = MysqlConnection::establish(&address("COMPAT_MARIADB")).unwrap();
    connection.batch_execute("do sleep(0.2)").unwrap();
    let found: Number = sql_query(format!("select cast({number} as int) as number"))
        .get_result(&mut connection)
        .unwrap();
    found.number.to_string()
}
