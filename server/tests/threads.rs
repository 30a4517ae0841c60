//! A server in little memory: it starts and answers, or says that it cannot, and never panics.
//!
//! Not in the test harness, whose own threads would be the first to fail: this program runs itself under each limit.

use std::io::{Read, Write};
use std::process::{Command, ExitCode};

use flextok_server::{Options, Server, StartError};

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    if arguments.next().is_some_and(|first| first == "--start") {
        let threads = arguments.next().and_then(|threads| threads.parse().ok());
        return start(threads.expect("a number of threads"));
    }
    if cfg!(target_os = "linux") {
        // From far too little to plenty, in kibibytes; in steps that are no multiple of a stack.
        under_limits(2, (40_000..700_000).step_by(23_457));
        under_limits(200, (60_000..2_400_000).step_by(77_777));
    }
    ExitCode::SUCCESS
}

/// What a program does: one request is answered, or an error is printed.
fn start(threads: usize) -> ExitCode {
    match serve(threads) {
        Ok(()) => println!("served"),
        Err(error @ (StartError::Threads { .. } | StartError::Log { .. })) => println!("{error}"),
        Err(error) => {
            println!("another error: {error}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn serve(threads: usize) -> Result<(), StartError> {
    let runtime = flextok_server::runtime(threads)?;
    let place = tempfile::tempdir().expect("a directory");
    runtime.block_on(async {
        let bound = Server::bind(place.path(), ("127.0.0.1", 0), Options::default()).await?;
        let server = bound.with_log(Box::new(std::io::sink()))?;
        let address = server.local_addr();
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let running = tokio::spawn(server.run(async { stopped.await.unwrap_or_default() }));
        let mut stream = std::net::TcpStream::connect(address).expect("it accepts");
        let request = b"GET /index.json HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
        stream.write_all(request).expect("it is sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        drop(stop);
        running.await.expect("no panic");
        Ok(())
    })
}

/// Starts a server of `threads` under each of `limits` on its address space, and under one that no server reaches.
fn under_limits(threads: usize, limits: impl Iterator<Item = u32>) {
    let this = std::env::current_exe().expect("a path");
    let (mut served, mut refused) = (0, 0);
    for limit in limits.chain([100_000_000]) {
        let script = format!("ulimit -v {limit} && exec \"$0\" --start {threads}");
        let output = Command::new("sh").args(["-c", &script]).arg(&this).output();
        let output = output.expect("sh runs");
        let text = String::from_utf8_lossy(&output.stdout);
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{limit}: {text}{complaint}");
        match text.trim_end() {
            "served" => served += 1,
            text => {
                assert!(text.starts_with("cannot start "), "{limit}: {text}");
                refused += 1;
            }
        }
    }
    let counts = format!("{threads} threads: {served} served, {refused} refused");
    assert!(served > 0 && refused > 0, "{counts}");
    println!("{counts}");
}
