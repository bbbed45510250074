//! The control connection: a stream of frames, cut anywhere.

use prost::Message;
use shardline_protocol::control::{
    ChatMessage, ClientFrame, Enqueue, EnterWorld, Error, ErrorCode, JoinParty, Login, MatchFound,
    MatchPlayer, Party, SendChat, ServerFrame, Session, ZoneAccess, client_frame, server_frame,
};
use shardline_protocol::frame::{FRAME_BYTES_MAX, FrameReader, encode};

use crate::seeds::{Seeds, with_mutations};

/// Reads frames of the side that the first byte names, in pieces of the length that the second
/// names. Every frame survives being encoded.
pub fn run(bytes: &[u8]) {
    let [side, piece, stream @ ..] = bytes else { return };
    let piece = usize::from(*piece) + 1;
    if side & 1 == 0 {
        read::<ClientFrame>(stream, piece);
    } else {
        read::<ServerFrame>(stream, piece);
    }
}

fn read<M: Message + Default>(stream: &[u8], piece: usize) {
    let mut reader = FrameReader::default();
    for piece in stream.chunks(piece) {
        reader.push(piece);
        loop {
            match reader.next_frame::<M>() {
                Ok(Some(frame)) => check(&frame),
                Ok(None) => break,
                Err(_) => return,
            }
        }
    }
}

/// Compared as bytes: a rating may be NaN, which is not equal to itself.
pub(crate) fn check<M: Message + Default>(message: &M) {
    let bytes = message.encode_to_vec();
    assert!(bytes.len() <= FRAME_BYTES_MAX * 10, "reading does not blow up");
    let again = M::decode(&bytes[..]).expect("what was read can be read again");
    assert_eq!(again.encode_to_vec(), bytes);
}

/// Frames of both sides, one and several to a stream.
pub fn seeds() -> Seeds {
    use client_frame::Body as Ask;
    use server_frame::Body as Tell;
    let name = "Ada_1".to_owned();
    let asks = [
        Ask::Login(Login { name: name.clone(), password: "correct horse".into() }),
        Ask::JoinParty(JoinParty { party_id: 5 }),
        Ask::Enqueue(Enqueue { queue: "duel".into() }),
        Ask::EnterWorld(EnterWorld { client_public_key: vec![7; 32].into() }),
        Ask::SendChat(SendChat { channel: "world".into(), to_character: 0, text: "hi".into() }),
    ];
    let players =
        (1..4).map(|id| MatchPlayer { character_id: id, team: id as u32 % 2, party_id: 0 });
    let tells = [
        Tell::Error(Error {
            code: ErrorCode::RateLimited.into(),
            message: "later".into(),
            retry_after_ms: 500,
        }),
        Tell::Session(Session {
            account_id: 1,
            character_id: 2,
            name: name.clone(),
            rating: 1500.0,
            rating_deviation: f64::NAN,
        }),
        Tell::Party(Party { party_id: 1, leader: 2, members: vec![2, 3, u64::MAX] }),
        Tell::MatchFound(MatchFound {
            match_id: 1,
            ticket_id: 2,
            team: 0,
            players: players.collect(),
            duration_s: 60,
        }),
        Tell::ZoneAccess(ZoneAccess {
            zone_id: 3,
            address: "127.0.0.1:4433".into(),
            connect_token: vec![1; 130].into(),
            server_public_key: vec![2; 32].into(),
            character_id: 2,
        }),
        Tell::Chat(ChatMessage {
            channel: "match".into(),
            from_character: 2,
            from_name: name,
            text: "gg".into(),
        }),
    ];
    let mut seeds = Seeds::new();
    let (mut all_asks, mut all_tells) = (vec![0, 6], vec![1, 40]);
    for (index, body) in asks.into_iter().enumerate() {
        let frame = ClientFrame { request: 1 + index as u64, body: Some(body) };
        let mut bytes = vec![0, 255];
        encode(&frame, &mut bytes);
        encode(&frame, &mut all_asks);
        seeds.push((format!("client-{index}"), bytes));
    }
    for (index, body) in tells.into_iter().enumerate() {
        let frame = ServerFrame { request: index as u64, body: Some(body) };
        let mut bytes = vec![1, 3];
        encode(&frame, &mut bytes);
        encode(&frame, &mut all_tells);
        seeds.push((format!("server-{index}"), bytes));
    }
    seeds.push(("client-all".to_owned(), all_asks));
    seeds.push(("server-all".to_owned(), all_tells));
    with_mutations(seeds, 70)
}
