//! Who hears what is said.

use netcode::time::Instant;
use shardline_protocol::control::server_frame::Body;
use shardline_protocol::control::{ChatMessage, ErrorCode, SendChat};

use crate::gateway::session::is_chat;
use crate::gateway::sessions::{Refusal, Sessions, because};
use crate::gateway::{ChatChannel, Output, SessionId};
use crate::ids::{CharacterId, MatchId};

impl Sessions {
    /// Delivers a message. In a channel of many the speaker hears it too, so that all see one
    /// order.
    pub(super) fn chat(
        &mut self,
        now: Instant,
        session: SessionId,
        request: u64,
        chat: SendChat,
    ) -> Result<(), Refusal> {
        let player = self.player(session)?;
        let (from, from_name) = (player.character, player.name.clone());
        let SendChat { channel, to_character, text } = chat;
        if !is_chat(&text) {
            let message = "a message has 1 to 256 bytes and no control characters";
            return Err(because(ErrorCode::Malformed, message));
        }
        let channel = self.channel(from, &channel, CharacterId(to_character))?;
        if let Some(it) = self.sessions.get_mut(&session) {
            it.chat
                .take(now, self.limits.chat)
                .map_err(|wait| (ErrorCode::RateLimited, "too many messages", Some(wait)))?;
        }
        let message = ChatMessage {
            channel: channel.label().into(),
            from_character: from.0,
            from_name,
            text: text.clone(),
        };
        for listener in self.listeners(channel) {
            self.send(listener, 0, Body::Chat(message.clone()));
        }
        self.done(session, request);
        self.tell(Output::Chat { from, channel, text });
        Ok(())
    }

    pub(super) fn on_match_started(&mut self, match_id: MatchId, members: Vec<CharacterId>) {
        self.on_match_ended(match_id);
        for member in &members {
            self.match_of.insert(*member, match_id);
        }
        self.matches.insert(match_id, members);
    }

    pub(super) fn on_match_ended(&mut self, match_id: MatchId) {
        for member in self.matches.remove(&match_id).unwrap_or_default() {
            if self.match_of.get(&member) == Some(&match_id) {
                self.match_of.remove(&member);
            }
        }
    }

    fn channel(
        &self,
        from: CharacterId,
        name: &str,
        to: CharacterId,
    ) -> Result<ChatChannel, Refusal> {
        match name {
            "world" => Ok(ChatChannel::World),
            "match" => {
                let match_id = self.match_of.get(&from).copied();
                let refusal = || because(ErrorCode::Conflict, "not in a match");
                match_id.map(ChatChannel::Match).ok_or_else(refusal)
            }
            "whisper" if self.by_character.contains_key(&to) => Ok(ChatChannel::Whisper(to)),
            "whisper" => Err(because(ErrorCode::NotFound, "that player is not here")),
            _ => Err(because(ErrorCode::NotFound, "no such channel")),
        }
    }

    fn listeners(&self, channel: ChatChannel) -> Vec<SessionId> {
        let session_of = |character: &CharacterId| self.by_character.get(character).copied();
        match channel {
            ChatChannel::Match(match_id) => {
                let members = self.matches.get(&match_id).map_or(&[][..], Vec::as_slice);
                members.iter().filter_map(session_of).collect()
            }
            ChatChannel::Whisper(to) => session_of(&to).into_iter().collect(),
            ChatChannel::World => self.by_character.values().copied().collect(),
        }
    }
}
