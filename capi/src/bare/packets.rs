//! Files as packets for a link that loses them, and what arrived as a file again. Nothing is allocated: what is kept between
//! calls lies in structures and buffers of the caller.

use core::mem::{align_of, size_of};
use core::ptr;

use flextok_container::packets::{Joiner as Join, Packet, Packets as Split};

use super::border::{give, overlap, slice_of, slice_of_mut, status_of};
use crate::status::Status;

/// The packets of a file. `flextok_packets_init` fills it; the file stays where it is while it is used.
#[repr(C)]
#[derive(Debug)]
pub struct Packets {
    /// Packets of the file, 1 to 65 536.
    pub count: u32,
    /// Of the library.
    pub reserved: u32,
    /// Bytes of all packets together.
    pub bytes: u64,
    /// Of the library.
    pub state: [u64; 8],
}

/// Joins packets of one file. `flextok_joiner_init` fills it; the buffers stay where they are while it is used.
#[repr(C)]
#[derive(Debug)]
pub struct Joiner {
    /// Of the library.
    pub state: [u64; 16],
}

/// What has been joined so far.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub struct Joined {
    /// Bytes of the file before the first missing packet: they stand at the start of the buffer, and decode.
    pub bytes: u64,
    /// Packets that are there.
    pub packets: u32,
    /// Packets of the file; 0 while the last one has not arrived.
    pub total: u32,
    /// Number of the first missing packet, which is `total` if the file is complete.
    pub first_missing: u32,
    /// 1 if the file is complete.
    pub complete: u32,
}

// What the structures hold fits, on every platform that this compiles for.
const _: () = {
    assert!(size_of::<Split<'static>>() <= size_of::<[u64; 8]>());
    assert!(size_of::<Join<'static>>() <= size_of::<[u64; 16]>());
    assert!(align_of::<Split<'static>>() <= align_of::<u64>());
    assert!(align_of::<Join<'static>>() <= align_of::<u64>());
};

/// Divides a file, complete or cut, into packets of at most `packet_bytes` bytes, 9 to 65 535, for a link that may lose or
/// damage packets or change their order. 8 or 9 bytes of each are not the file's; FLEXTOK_USAGE if
/// the file would need more than 65 536.
///
/// # Safety
/// `packets` points to a place for it; `file` points to `file_size` bytes that do not change while `packets` is used.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flextok_packets_init(
    packets: *mut Packets,
    file: *const u8,
    file_size: usize,
    packet_bytes: usize,
) -> Status {
    let work = || {
        // SAFETY: the caller's promise, which is for as long as `packets` is used.
        let file: &'static [u8] = unsafe { slice_of(file, file_size) }?;
        let split = Split::new(file, packet_bytes)?;
        let mut made = Packets {
            count: split.total(),
            reserved: 0,
            bytes: split.total_bytes(),
            state: [0; 8],
        };
        // SAFETY: it is large enough and aligned, as asserted above.
        unsafe {
            ptr::from_mut(&mut made.state)
                .cast::<Split<'_>>()
                .write(split)
        };
        // SAFETY: the caller's promise.
        unsafe { give(packets, made) }
    };
    status_of(work)
}

/// Writes packet number `number`, from 0, into `capacity` bytes at `packet`; `*packet_size` receives its size.
///
/// # Safety
/// `packets` was filled by `flextok_packets_init`, and the file is where it was; `packet` points to `capacity` bytes, none of them
/// of the file; `packet_size` points to a place for a size.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flextok_packets_write(
    packets: *const Packets,
    number: u32,
    packet: *mut u8,
    capacity: usize,
    packet_size: *mut usize,
) -> Status {
    let work = || {
        if packets.is_null() || packet_size.is_null() {
            return Err(Status::USAGE);
        }
        // SAFETY: the caller's promises.
        let (split, out) = unsafe {
            let split = ptr::from_ref(&(*packets).state).cast::<Split<'static>>();
            (&*split, slice_of_mut(packet, capacity)?)
        };
        let number = u16::try_from(number).map_err(|_| Status::USAGE)?;
        let found = split.packet(number).ok_or(Status::USAGE)?;
        let written = found.write(out)?.len();
        // SAFETY: the caller's promise.
        unsafe { give(packet_size, written) }
    };
    status_of(work)
}

/// Begins to join the packets of one file in `capacity` bytes at `buffer`, with a map of a bit for each packet in `map_size`
/// bytes at `map`. Where they are too short for the file, its beginning is joined.
///
/// # Safety
/// `joiner` points to a place for it; `buffer` and `map` point to as many bytes as is said, which nothing else changes while
/// `joiner` is used.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flextok_joiner_init(
    joiner: *mut Joiner,
    buffer: *mut u8,
    capacity: usize,
    map: *mut u8,
    map_size: usize,
) -> Status {
    let work = || {
        if overlap((buffer, capacity), (map, map_size)) {
            return Err(Status::USAGE);
        }
        // SAFETY: the caller's promises, which are for as long as `joiner` is used.
        let (buffer, map): (&'static mut [u8], &'static mut [u8]) = unsafe {
            (
                slice_of_mut(buffer, capacity)?,
                slice_of_mut(map, map_size)?,
            )
        };
        let mut made = Joiner { state: [0; 16] };
        let join = Join::new(buffer, map);
        // SAFETY: it is large enough and aligned, as asserted above.
        unsafe {
            ptr::from_mut(&mut made.state)
                .cast::<Join<'_>>()
                .write(join)
        };
        // SAFETY: the caller's promise.
        unsafe { give(joiner, made) }
    };
    status_of(work)
}

/// Takes a packet as it arrived. One that came before, or for which there is no room, changes nothing; `FLEXTOK_CORRUPT` if it
/// is damaged, of another file, or contradicts those before it, which stay.
///
/// # Safety
/// `joiner` was filled by `flextok_joiner_init`; `packet` points to `packet_size` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flextok_joiner_add(
    joiner: *mut Joiner,
    packet: *const u8,
    packet_size: usize,
) -> Status {
    let work = || {
        // SAFETY: the caller's promises.
        let (join, packet) = unsafe { (join_of(joiner)?, slice_of(packet, packet_size)?) };
        join.add(&Packet::parse(packet)?)?;
        Ok(())
    };
    status_of(work)
}

/// What has been joined so far.
///
/// # Safety
/// `joiner` was filled by `flextok_joiner_init`; `joined` points to a place for it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flextok_joiner_state(joiner: *mut Joiner, joined: *mut Joined) -> Status {
    let work = || {
        // SAFETY: the caller's promise.
        let join = unsafe { join_of(joiner) }?;
        let total = join.total().unwrap_or(0);
        let state = Joined {
            bytes: join.prefix().len() as u64,
            packets: join.packets(),
            total,
            first_missing: join.first_missing().unwrap_or(total),
            complete: join.first_missing().is_none().into(),
        };
        // SAFETY: the caller's promise.
        unsafe { give(joined, state) }
    };
    status_of(work)
}

/// Ends the joining: `*file_size` receives the bytes of the file at the start of the buffer, up to the first missing packet.
/// `FLEXTOK_CORRUPT` if the packets are all there but of different files. The joiner is of no use afterwards.
///
/// # Safety
/// `joiner` was filled by `flextok_joiner_init`; `file_size` points to a place for a size.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flextok_joiner_finish(
    joiner: *mut Joiner,
    file_size: *mut usize,
) -> Status {
    let work = || {
        // SAFETY: the caller's promise.
        let join = unsafe { join_of(joiner) }?;
        let join = core::mem::replace(join, Join::new(&mut [], &mut []));
        let size = join.finish()?.len();
        // SAFETY: the caller's promise.
        unsafe { give(file_size, size) }
    };
    status_of(work)
}

/// # Safety
/// `joiner` is null or was filled by `flextok_joiner_init`, and nothing else uses it during `'a`.
unsafe fn join_of<'a>(joiner: *mut Joiner) -> Result<&'a mut Join<'static>, Status> {
    // SAFETY: the caller's promise.
    let state = unsafe { joiner.as_mut() }.ok_or(Status::USAGE)?;
    // SAFETY: the caller's promise; it was written as such.
    Ok(unsafe { &mut *ptr::from_mut(&mut state.state).cast::<Join<'static>>() })
}
