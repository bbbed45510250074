//! What client and zone say on the reliable channel.

use prost::Message;
use shardline_protocol::control::ZoneAccess;
use shardline_protocol::zone::{
    Crossed, Hit, ItemMoved, Leave, Offer, PickUp, ProposeTrade, Refused, ToClient, ToZone,
    TradeClosed, Welcome, to_client, to_zone,
};

use crate::control::check;
use crate::seeds::{Seeds, with_mutations};

/// Decodes a message to the side that the first byte names; it survives being encoded.
pub fn run(bytes: &[u8]) {
    let Some((side, rest)) = bytes.split_first() else { return };
    if side & 1 == 0 {
        let _ = ToZone::decode(rest).map(|message| check(&message));
    } else {
        let _ = ToClient::decode(rest).map(|message| check(&message));
    }
}

/// Messages of both sides.
pub fn seeds() -> Seeds {
    use to_client::Body as Tell;
    use to_zone::Body as Ask;
    let asks = [
        Ask::PickUp(PickUp { item: 9 }),
        Ask::ProposeTrade(ProposeTrade { with_character: 2, give_item: 9, want_item: u64::MAX }),
        Ask::Leave(Leave {}),
    ];
    let access = ZoneAccess {
        zone_id: 3,
        address: "[::1]:4433".into(),
        connect_token: vec![1; 130].into(),
        server_public_key: vec![2; 32].into(),
        character_id: 2,
    };
    let tells = [
        Tell::Welcome(Welcome {
            zone_id: 1,
            character_id: 2,
            tick: 1 << 40,
            tick_micros: 33_000,
            tick_hz: 30,
            owner: true,
            epoch: 4,
            items: vec![1, 2, 300],
        }),
        Tell::Offer(Offer { access: Some(access) }),
        Tell::Crossed(Crossed { zone_id: 2, epoch: 5, tick: 77 }),
        Tell::Hit(Hit { attacker: 1, target: 2, damage: 12, defeated: true, tick: 78 }),
        Tell::ItemMoved(ItemMoved { item: 9, from_character: 0, to_character: 2 }),
        Tell::TradeClosed(TradeClosed { trade: 4, committed: false, reason: "left".into() }),
        Tell::Refused(Refused { request: "pick_up".into(), reason: "too far".into() }),
    ];
    let mut seeds = Seeds::new();
    for (index, body) in asks.into_iter().enumerate() {
        let mut bytes = vec![0];
        bytes.extend(ToZone { body: Some(body) }.encode_to_vec());
        seeds.push((format!("to-zone-{index}"), bytes));
    }
    for (index, body) in tells.into_iter().enumerate() {
        let mut bytes = vec![1];
        bytes.extend(ToClient { body: Some(body) }.encode_to_vec());
        seeds.push((format!("to-client-{index}"), bytes));
    }
    with_mutations(seeds, 80)
}
