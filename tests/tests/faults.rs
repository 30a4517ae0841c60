//! Faults outside the bytes: signals, several processes at one output, paths without permission, weights that change.

use std::process::Stdio;

use flextok_tests::{arg, command, encode, finish, listing, photo, read, run, tiny, workplace};

#[test]
fn two_processes_at_one_output_leave_one_whole_result() {
    let place = workplace();
    let directory = place.path();
    encode(directory, "chelsea.png");
    let decode = |bytes: &str, out: &str| {
        let file = format!("{bytes}.flxt");
        let args = ["decode", &file, "-o", out, "--force"];
        let mut command = command(directory, args);
        command.stderr(Stdio::piped());
        command
    };
    let mut results = Vec::new();
    for bytes in ["20", "64"] {
        let (file, out) = (format!("{bytes}.flxt"), format!("{bytes}.png"));
        let args = ["truncate", "a.flxt", "-o", &file, "--bytes", bytes];
        run(directory, args).ok();
        finish(&mut decode(bytes, &out)).ok();
        results.push(read(directory, &out));
    }
    assert!(results[0] != results[1]);
    for _ in 0..5 {
        let running: Vec<_> = ["20", "64", "20", "64"]
            .map(|bytes| decode(bytes, "same.png").spawn().expect("it starts"))
            .into();
        for child in running {
            let output = child.wait_with_output().expect("it ends");
            assert!(output.status.success(), "{output:?}");
        }
        assert!(results.contains(&read(directory, "same.png")));
    }
    assert_eq!(
        listing(directory),
        [
            "20.flxt", "20.png", "64.flxt", "64.png", "a.flxt", "same.png"
        ]
    );
}

#[test]
fn without_force_one_of_several_processes_wins() {
    let place = workplace();
    let directory = place.path();
    let photo = photo("chelsea.png");
    let mut running: Vec<_> = (0..4)
        .map(|_| {
            command(directory, ["encode", arg(&photo), "-o", "same.flxt"])
                .stderr(Stdio::piped())
                .spawn()
                .expect("it starts")
        })
        .collect();
    let mut codes: Vec<_> = running
        .iter_mut()
        .map(|child| child.wait().expect("it ends").code())
        .collect();
    codes.sort_unstable();
    assert_eq!(codes, [Some(0), Some(7), Some(7), Some(7)]);
    assert_eq!(listing(directory), ["same.flxt"]);
    run(directory, ["verify", "--complete", "same.flxt"]).ok();
}

#[cfg(unix)]
mod unix {
    use std::fs::{self, Permissions};
    use std::num::NonZeroU8;
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::process::ExitStatusExt;
    use std::process::Command;
    use std::time::Duration;

    use flextok::Size;
    use flextok::container::{Coded, CodedCanvas, Header, Metadata, TablesName, TokenFile};
    use flextok_tests::write;

    use super::*;

    fn kill(signal: &str, pid: u32) {
        // The process may have ended by itself.
        let _ = Command::new("kill")
            .args([signal, &pid.to_string()])
            .stderr(Stdio::null())
            .status();
    }

    /// At whatever moment a signal comes, there is no output or a whole one, and nothing else.
    #[test]
    fn a_signal_at_any_moment_leaves_all_or_nothing() {
        let place = workplace();
        let directory = place.path();
        encode(directory, "seeding.jpg");
        run(directory, ["decode", "a.flxt", "-o", "whole.bmp"]).ok();
        let whole = read(directory, "whole.bmp");
        let args = ["decode", "a.flxt", "-o", "b.bmp"];
        for attempt in 0..40 {
            let signal = ["-INT", "-TERM", "-HUP"][attempt % 3];
            let mut child = command(directory, args)
                .stderr(Stdio::null())
                .spawn()
                .expect("it starts");
            std::thread::sleep(Duration::from_millis(8 * attempt as u64));
            kill(signal, child.id());
            let status = child.wait().expect("it ends");
            // Before the handler is installed, the signal itself ends the program.
            let ended = matches!(status.code(), Some(0 | 130)) || status.signal().is_some();
            assert!(ended, "{status:?}");
            let mut names = listing(directory);
            if names.iter().any(|name| name == "b.bmp") {
                assert!(read(directory, "b.bmp") == whole, "attempt {attempt}");
                fs::remove_file(directory.join("b.bmp")).expect("it is there");
                names.retain(|name| name != "b.bmp");
            }
            assert_eq!(names, ["a.flxt", "whole.bmp"], "attempt {attempt}");
        }
    }

    #[test]
    fn paths_without_permission_are_named() {
        let place = workplace();
        let directory = place.path();
        encode(directory, "chelsea.png");
        fs::create_dir(directory.join("closed")).expect("writable");
        write(directory, "secret.flxt", read(directory, "a.flxt"));
        let secret = directory.join("secret.flxt");
        fs::set_permissions(directory.join("closed"), Permissions::from_mode(0o555)).expect("own");
        fs::set_permissions(&secret, Permissions::from_mode(0o000)).expect("own");
        let privileged = fs::read(&secret).is_ok();
        if privileged {
            eprintln!("skipped: permissions mean nothing to this user");
        } else {
            let args = ["decode", "a.flxt", "-o", "closed/a.png"];
            run(directory, args).fails(7, &["closed/a.png", "ermission"]);
            assert!(listing(&directory.join("closed")).is_empty());
            for command in ["info", "verify", "decode", "tokens"] {
                run(directory, [command, "secret.flxt"]).fails(7, &["secret.flxt", "ermission"]);
            }
            let model = ["model", "--model", "secret.flxt"];
            run(directory, model).fails(4, &["secret.flxt", "ermission"]);
        }
        fs::set_permissions(directory.join("closed"), Permissions::from_mode(0o755)).expect("own");
        // An input that others may write is read like any other.
        fs::set_permissions(&secret, Permissions::from_mode(0o666)).expect("own");
        run(directory, ["verify", "--complete", "secret.flxt"]).ok();
    }

    /// The program with a limit on its address space, which not even an allocator gets around.
    #[cfg(target_os = "linux")]
    fn with_memory(
        kilobytes: u32,
        directory: &std::path::Path,
        args: &[&str],
    ) -> flextok_tests::Run {
        let script = format!("ulimit -v {kilobytes}; exec \"$0\" \"$@\"");
        let mut command = Command::new("sh");
        command.args(["-c", &script, arg(flextok_tests::program())]);
        finish(command.args(args).current_dir(directory))
    }

    /// A few bytes can declare the largest allowed picture; what the system cannot hold is an error, not an abort.
    #[cfg(target_os = "linux")]
    #[test]
    fn without_memory_for_a_large_picture_decoding_ends_with_a_line() {
        let place = workplace();
        let directory = place.path();
        let coded = Coded {
            tables: TablesName::BUILTIN,
            canvas: CodedCanvas::Long(NonZeroU8::MIN),
            bytes: 1,
        };
        let header = Header::coded(Size::new(16_384, 8192), coded).expect("in range");
        let file = TokenFile::new(header, vec![5], Metadata::default());
        let large = file.and_then(|file| file.to_bytes()).expect("a file");
        write(directory, "large.flxt", large);
        for out in ["x.png", "x.webp", "x.tiff", "x.jpg", "x.ppm"] {
            // Not the pixels; then the pixels, but not what the encoder takes beside them.
            for kilobytes in [600_000, 900_000] {
                let args = ["decode", "large.flxt", "-o", out];
                with_memory(kilobytes, directory, &args).fails(7, &["bytes of memory"]);
            }
        }
        assert_eq!(listing(directory), ["large.flxt"]);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn headers_that_claim_large_images_end_with_a_line() {
        let place = workplace();
        let directory = place.path();
        let side = 11_585_u32;
        let mut qoi = [
            b"qoif".as_slice(),
            &side.to_be_bytes(),
            &side.to_be_bytes(),
            &[4, 0],
        ]
        .concat();
        qoi.extend([0xfd; 100]);
        let pam =
            b"P7\nWIDTH 11585\nHEIGHT 11585\nDEPTH 4\nMAXVAL 255\nTUPLTYPE RGB_ALPHA\nENDHDR\n";
        let mut gif = b"GIF89a".to_vec();
        let side = 11_000_u16.to_le_bytes();
        gif.extend(
            [
                &side[..],
                &side,
                &[0x80, 0, 0, 0, 0, 0, 9, 9, 9, b',', 0, 0, 0, 0],
            ]
            .concat(),
        );
        gif.extend([&side[..], &side, &[0, 2, 2, 0x44, 1, 0, b';']].concat());
        let mut tga = vec![0, 0, 10, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        let side = 11_585_u16.to_le_bytes();
        tga.extend([&side[..], &side, &[32, 0]].concat());
        tga.extend([0xff, 0, 0, 0, 0].repeat(10));
        for (name, bytes) in [
            ("a.qoi", &qoi[..]),
            ("a.pam", pam),
            ("a.gif", &gif),
            ("a.tga", &tga),
        ] {
            write(directory, name, bytes);
            let args = ["encode", name, "-o", "x.flxt"];
            with_memory(400_000, directory, &args).fails(7, &[name, "bytes of memory"]);
            // With less allowed than the header claims, the limit is what is named.
            let args = ["encode", name, "-o", "x.flxt", "--max-memory", "100000000"];
            run(directory, args).fails(5, &[name, "--max-memory"]);
        }
        assert_eq!(listing(directory), ["a.gif", "a.pam", "a.qoi", "a.tga"]);
    }

    /// A PNG file of the picture in `png` with a colour profile of about a gigabyte of zeros.
    #[cfg(target_os = "linux")]
    fn with_a_large_profile(png: &[u8]) -> Vec<u8> {
        // Deflate with its fixed code: a zero, four million times "258 times the same again", the end.
        let again = "1100010100000";
        let bits = ["110", "00110000", &again.repeat(4_000_000), "0000000"].concat();
        let byte = |bits: &[u8]| {
            bits.iter()
                .rev()
                .fold(0, |byte, bit| byte << 1 | (bit - b'0'))
        };
        let mut chunk = b"iCCPx\0\0\x78\x01".to_vec();
        chunk.extend(bits.as_bytes().chunks(8).map(byte));
        let crc = !chunk.iter().fold(u32::MAX, |crc, byte| {
            (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
                crc >> 1 ^ if crc & 1 == 1 { 0xedb8_8320 } else { 0 }
            })
        });
        let length = (chunk.len() as u32 - 4).to_be_bytes();
        // The signature and the first chunk have 33 bytes.
        [&png[..33], &length, &chunk, &crc.to_be_bytes(), &png[33..]].concat()
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_profile_that_unfolds_to_a_gigabyte_is_left_alone() {
        let place = workplace();
        let directory = place.path();
        let small = fs::read(photo("chelsea.png")).expect("a photo");
        write(directory, "a.png", with_a_large_profile(&small));
        let args = ["encode", "a.png", "-o", "x.flxt", "--metadata"];
        with_memory(500_000, directory, &args)
            .notes("its colour profile is damaged; taken as sRGB");
    }

    /// Weights that lose their end while they are mapped. When it happens is up to the system: before, between and after
    /// the reads of the file.
    #[test]
    fn weights_that_shrink_in_use_end_the_run_without_an_output() {
        let place = workplace();
        let directory = place.path();
        let model = directory.join("model.safetensors");
        let photo = photo("chelsea.png");
        let weights = fs::read(tiny()).expect("the checkpoint");
        for mode in [&[][..], &["--no-mmap"]] {
            for attempt in 0..12 {
                fs::write(&model, &weights).expect("writable");
                let args = [
                    "encode",
                    arg(&photo),
                    "-o",
                    "x.flxt",
                    "--model",
                    arg(&model),
                ];
                let child = command(directory, args.iter().chain(mode))
                    .stderr(Stdio::piped())
                    .spawn()
                    .expect("it starts");
                std::thread::sleep(Duration::from_millis(4 * attempt));
                let file = fs::File::options().write(true).open(&model);
                file.and_then(|file| file.set_len(4096)).expect("writable");
                let output = child.wait_with_output().expect("it ends");
                let stderr = String::from_utf8_lossy(&output.stderr);
                match output.status.code() {
                    Some(0) => run(directory, ["verify", "--complete", "x.flxt"]).ok(),
                    Some(4) => {
                        assert_eq!(stderr.lines().count(), 1, "{stderr}");
                        assert!(stderr.starts_with("flextok: "), "{stderr}");
                        assert_eq!(listing(directory), ["model.safetensors"]);
                        continue;
                    }
                    // Elsewhere than on Linux the system ends the program without a word.
                    None if mode.is_empty() && !cfg!(target_os = "linux") => {
                        let signal = output.status.signal();
                        // SIGBUS of Linux and of the BSDs
                        assert!(matches!(signal, Some(7 | 10)), "{signal:?}");
                        assert_eq!(listing(directory), ["model.safetensors"]);
                        continue;
                    }
                    other => panic!("{other:?} {:?}: {stderr}", output.status),
                };
                fs::remove_file(directory.join("x.flxt")).expect("it was written");
            }
        }
    }
}
