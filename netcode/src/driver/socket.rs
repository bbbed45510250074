//! A UDP socket that takes and gives several datagrams a system call.

use core::net::SocketAddr;
use std::io::{self, IoSliceMut};
use std::sync::Once;

use quinn_udp::{BATCH_SIZE, RecvMeta, Transmit, UdpSocketState};
use socket2::SockRef;
use tokio::io::Interest;
use tokio::net::UdpSocket;

use crate::driver::error::BindError;
use crate::driver::outbox::{Batch, Sent};

/// What is asked of the kernel, each way: half a second of 8 MiB/s, should this process stall.
const BUFFER_BYTES: usize = 4 * 1024 * 1024;
/// Room for a datagram where the kernel does not join them; a longer one is none of ours.
const SLOT_BYTES: usize = 2048;
/// Room for as much as the kernel joins.
const JOINED_SLOT_BYTES: usize = 65_536;

/// A UDP socket with large buffers, bound within a tokio runtime.
#[derive(Debug)]
pub struct Socket {
    io: UdpSocket,
    state: UdpSocketState,
    local_address: SocketAddr,
    slots: Vec<u8>,
    slot_bytes: usize,
}

impl Socket {
    /// Opens a socket at `address`; port 0 takes a free one. Asks for 4 MiB of buffer each way, and
    /// warns once a process if the kernel grants less.
    ///
    /// # Errors
    ///
    /// [`BindError`] says which address and why.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime with I/O enabled.
    pub fn bind(address: SocketAddr) -> Result<Self, BindError> {
        let socket = std::net::UdpSocket::bind(address)
            .map_err(|source| BindError::Address { address, source })?;
        Self::from_std(socket).map_err(|source| BindError::Options { address, source })
    }

    fn from_std(socket: std::net::UdpSocket) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        ask_for_buffers(&socket);
        let state = UdpSocketState::new((&socket).into())?;
        let slot_bytes = if state.gro_segments() > 1 { JOINED_SLOT_BYTES } else { SLOT_BYTES };
        Ok(Self {
            local_address: socket.local_addr()?,
            io: UdpSocket::from_std(socket)?,
            state,
            // Untouched pages cost nothing: what is resident is what datagrams have filled.
            slots: vec![0; slot_bytes * BATCH_SIZE],
            slot_bytes,
        })
    }

    /// Where it is bound.
    pub fn local_address(&self) -> SocketAddr {
        self.local_address
    }

    /// Waits for a datagram, or also for room to send.
    pub(super) async fn ready(&self, wants_room: bool) -> io::Result<()> {
        let readable = Interest::READABLE;
        let interest = if wants_room { readable | Interest::WRITABLE } else { readable };
        self.io.ready(interest).await.map(drop)
    }

    /// Takes what one system call gives, and hands over each datagram. Returns their number, zero
    /// if there is none now.
    pub(super) fn receive(
        &mut self,
        mut each: impl FnMut(SocketAddr, &mut [u8]),
    ) -> io::Result<usize> {
        let mut meta = [RecvMeta::default(); BATCH_SIZE];
        let filled = {
            let mut slots = self.slots.chunks_exact_mut(self.slot_bytes);
            let mut slices: [IoSliceMut<'_>; BATCH_SIZE] =
                core::array::from_fn(|_| IoSliceMut::new(slots.next().unwrap_or_default()));
            let (io, state) = (&self.io, &self.state);
            io.try_io(Interest::READABLE, || state.recv(io.into(), &mut slices, &mut meta))
        };
        let filled = match filled {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(0),
            filled => filled?,
        };
        let mut count = 0;
        for (slot, meta) in self.slots.chunks_exact_mut(self.slot_bytes).zip(&meta[..filled]) {
            let len = meta.len.min(slot.len());
            for datagram in slot[..len].chunks_mut(meta.stride.max(1)) {
                count += 1;
                each(meta.addr, datagram);
            }
        }
        // A batch of empty datagrams is not the end of what is there.
        Ok(count.max(filled))
    }

    /// Gives the kernel as much of `batch` as one system call takes.
    pub(super) fn send(&self, batch: &Batch) -> Sent {
        let is_full = |error: &io::Error| error.kind() == io::ErrorKind::WouldBlock;
        let mut sent = self.try_send(batch);
        if sent.as_ref().is_err_and(|error| !is_full(error)) {
            // It may have told of an older datagram, or have been the end of batches: once more.
            sent = self.try_send(batch);
        }
        match sent {
            Ok(bytes) => Sent::Taken(bytes),
            Err(error) if is_full(&error) => Sent::Full,
            Err(error) => {
                tracing::trace!(to = %batch.to(), %error, "cannot send a datagram");
                Sent::Refused(batch.chunk(self.state.max_gso_segments()).len())
            }
        }
    }

    fn try_send(&self, batch: &Batch) -> io::Result<usize> {
        let contents = batch.chunk(self.state.max_gso_segments());
        let segment = batch.segment();
        let transmit = Transmit {
            destination: batch.to(),
            ecn: None,
            contents,
            segment_size: (contents.len() > segment).then_some(segment),
            src_ip: None,
        };
        let send = || self.state.try_send((&self.io).into(), &transmit);
        match send() {
            // Once more by way of the runtime, so that it knows that room has to be waited for.
            // Always going that way would delay the first datagram: the runtime takes a socket for
            // full until it has heard otherwise.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.io.try_io(Interest::WRITABLE, send)?;
            }
            sent => sent?,
        }
        Ok(contents.len())
    }
}

/// Asks for [`BUFFER_BYTES`] each way. Less is no error: a socket works with little, too.
fn ask_for_buffers(socket: &std::net::UdpSocket) {
    let socket = SockRef::from(socket);
    let _ = socket.set_recv_buffer_size(BUFFER_BYTES);
    let _ = socket.set_send_buffer_size(BUFFER_BYTES);
    let received = socket.recv_buffer_size().unwrap_or_default();
    let sent = socket.send_buffer_size().unwrap_or_default();
    if received >= BUFFER_BYTES && sent >= BUFFER_BYTES {
        return;
    }
    static WARN: Once = Once::new();
    WARN.call_once(|| {
        tracing::warn!(
            receive_bytes = received,
            send_bytes = sent,
            wanted_bytes = BUFFER_BYTES,
            "the kernel clamps socket buffers; bursts to a server may be lost. On Linux: \
             sysctl -w net.core.rmem_max={BUFFER_BYTES} net.core.wmem_max={BUFFER_BYTES}"
        );
    });
}
