//! Datagrams before anything is known of their sender: long packets and short headers.

use netcode::wire::{
    Accept, COOKIE_BYTES, CloseCode, ConnectionId, Hello, LongPacket, PacketNumber, Refuse, Retry,
    ShortHeader, TAG_BYTES, VERSION,
};

use crate::seeds::{Seeds, noise, with_mutations};

/// Decodes; what decodes survives being encoded.
pub fn run(datagram: &[u8]) {
    if ShortHeader::is_long(datagram) {
        if let Ok(packet) = LongPacket::decode(datagram) {
            check_long(datagram[0] & 0x0f, &packet);
        }
    } else if let Ok(header) = ShortHeader::decode(datagram) {
        check_short(datagram, header);
    }
}

fn check_long(random: u8, packet: &LongPacket<'_>) {
    let mut bytes = Vec::new();
    match packet {
        LongPacket::Accept(accept) => accept.encode(random, &mut bytes),
        // A hello of another version is read as far as to refuse it.
        LongPacket::Hello(hello) if hello.version != VERSION => return,
        LongPacket::Hello(hello) => hello.encode(random, &mut bytes),
        LongPacket::Refuse(refuse) => refuse.encode(random, &mut bytes),
        LongPacket::Retry(retry) => retry.encode(random, &mut bytes),
    }
    assert_eq!(LongPacket::decode(&bytes).as_ref(), Ok(packet));
}

/// Masking is its own inverse, and reads no byte that is not there.
fn check_short(datagram: &[u8], header: ShortHeader) {
    let mut packet = datagram.to_vec();
    let mask = *ShortHeader::sample(datagram).first_chunk().expect("the tag is there");
    let (low, number_len, payload_at) = header.unmask(&mut packet, mask);
    assert!((1..=4).contains(&number_len) && payload_at + TAG_BYTES <= packet.len());
    assert!(u64::from(low) < 1 << (8 * number_len));
    ShortHeader::mask(&mut packet, number_len, mask);
    assert_eq!(packet, datagram);
}

/// One of each, and hellos at the limits.
pub fn seeds() -> Seeds {
    let mut seeds = Seeds::new();
    let mut add = |name: &str, encode: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = Vec::new();
        encode(&mut bytes);
        seeds.push((name.to_owned(), bytes));
    };
    let (token, message) = (noise(1, 130), noise(2, 120));
    let cookie = *noise(3, 24).first_chunk().expect("24 bytes");
    let long = noise(4, 512);
    type Named<'a> = (&'a str, Option<&'a [u8; COOKIE_BYTES]>, &'a [u8], &'a [u8]);
    let hellos: [Named<'_>; 4] = [
        ("hello", None, &token, &message),
        ("hello-cookie", Some(&cookie), &token, &message),
        ("hello-empty", None, &[], &[]),
        ("hello-longest", Some(&cookie), &long[..256], &long),
    ];
    for (name, cookie, token, noise) in hellos {
        add(name, &|out| Hello { version: VERSION, cookie, token, noise }.encode(1, out));
    }
    let echo = *noise(5, 8).first_chunk().expect("8 bytes");
    add("retry", &|out| Retry { echo, cookie }.encode(5, out));
    for code in [CloseCode::Token, CloseCode::Full, CloseCode::Other(0xffff)] {
        add(&format!("refuse-{}", code.to_wire()), &|out| Refuse { echo, code }.encode(6, out));
    }
    let connection_id = ConnectionId::new(1, 2, [3, 4]);
    add("accept", &|out| Accept { connection_id, noise: &message }.encode(7, out));
    for (id, number, len) in [(None, 0, 1), (Some(connection_id), 77, 1), (None, 1 << 30, 4)] {
        add(&format!("short-{number}"), &|out| {
            ShortHeader::encode(id, PacketNumber::new(number), len, 5, out);
            out.extend_from_slice(&message[..40]);
        });
    }
    with_mutations(seeds, 10)
}
