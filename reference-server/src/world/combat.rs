//! Attacks: resolved by the attacker's zone, decided by the target's.

use netcode::snapshot::EntityId;
use shardline_protocol::game::{Game, Point};
use shardline_protocol::zone::{Hit, to_client};

use crate::ids::{CharacterId, ZoneId};
use crate::world::entity::Phase;
use crate::world::scene::{Kind, entity_character};
use crate::world::zone::Zone;
use crate::world::{Happened, HitDone, Output, RemoteAttack};

/// How often an attack is passed on to where its target went.
const HOPS_MAX: u8 = 4;
/// How long an attack waits for a target that is between two zones, in ticks.
const LATE_TICKS_MAX: u64 = 15;
/// Attacks that wait; more are dropped.
const LATE_MAX: usize = 256;

impl<G: Game> Zone<G> {
    /// Aims attacks at the scene of the last tick, which is what the attackers saw.
    pub(super) fn resolve_attacks(&mut self, attacks: Vec<(CharacterId, G::Attack)>) {
        for (attacker, attack) in attacks {
            let Some((target, kind)) = self.aim(attacker, &attack) else { continue };
            match kind {
                Kind::Item => {}
                Kind::Own => {
                    let remote = self.remote_attack(attacker, target, &attack);
                    self.on_remote_attack(remote);
                }
                Kind::Ghost(to) => {
                    let attack = self.remote_attack(attacker, target, &attack);
                    self.outputs.push_back(Output::Attack { to, attack });
                }
            }
        }
    }

    fn aim(&mut self, attacker: CharacterId, attack: &G::Attack) -> Option<(CharacterId, Kind)> {
        let from = self.game.position(&self.characters.get(&attacker)?.state);
        self.found.clear();
        self.scene.query(from, self.game.attack_range(), &mut self.found);
        let candidates: Vec<(EntityId, Point)> = self
            .found
            .iter()
            .map(|&(index, _)| self.scene.get(index))
            .filter(|seen| seen.kind != Kind::Item && entity_character(seen.id) != Some(attacker))
            .map(|seen| (seen.id, seen.at))
            .collect();
        let hit = self.game.aim(attack, &candidates)?;
        let entities = self.scene.entities();
        let index = entities.binary_search_by_key(&hit, |seen| seen.id).ok()?;
        Some((entity_character(hit)?, entities[index].kind))
    }

    fn remote_attack(
        &self,
        attacker: CharacterId,
        target: CharacterId,
        attack: &G::Attack,
    ) -> RemoteAttack {
        let mut bytes = Vec::new();
        self.game.encode_attack(attack, &mut bytes);
        let (from, tick) = (self.config.id, self.tick);
        RemoteAttack { from, attacker, target, attack: bytes, tick, hops: 0 }
    }

    /// Decides an attack on a character of ours; passes it on if the character went elsewhere.
    pub(super) fn on_remote_attack(&mut self, mut attack: RemoteAttack) {
        match self.characters.get(&attack.target).map(|target| target.phase) {
            Some(Phase::Owned) => self.take_hit(&attack),
            Some(Phase::Frozen) if self.late_attacks.len() < LATE_MAX => {
                self.late_attacks.push((attack, self.tick + LATE_TICKS_MAX));
            }
            Some(Phase::Frozen) => {}
            None => {
                if let Some(&(to, _)) = self.moved.get(&attack.target)
                    && attack.hops < HOPS_MAX
                {
                    attack.hops += 1;
                    self.outputs.push_back(Output::Attack { to, attack });
                }
            }
        }
    }

    pub(super) fn retry_late_attacks(&mut self) {
        let now = self.tick;
        for (attack, until) in core::mem::take(&mut self.late_attacks) {
            let target = self.characters.get(&attack.target).map(|target| target.phase);
            if target == Some(Phase::Frozen) {
                if now < until {
                    self.late_attacks.push((attack, until));
                }
            } else {
                self.on_remote_attack(attack);
            }
        }
    }

    fn take_hit(&mut self, attack: &RemoteAttack) {
        let Ok(decoded) = self.game.decode_attack(&mut attack.attack.as_slice()) else { return };
        let Some(target) = self.characters.get_mut(&attack.target) else { return };
        let effect = self.game.take_hit(&mut target.state, &decoded, self.tick);
        if effect.defeated {
            target.override_epoch += 1;
        }
        let hit = HitDone {
            attacker: attack.attacker,
            target: attack.target,
            damage: effect.damage,
            defeated: effect.defeated,
            tick: self.tick,
        };
        self.tell_hit(attack.target, &hit);
        self.tell_attacker(attack.from, hit);
        self.happened(Happened::Hit(hit));
    }

    fn tell_attacker(&mut self, from: ZoneId, hit: HitDone) {
        if from == self.config.id {
            self.tell_hit(hit.attacker, &hit);
        } else {
            self.outputs.push_back(Output::HitDone { to: from, hit });
        }
    }

    pub(super) fn tell_hit(&mut self, whom: CharacterId, hit: &HitDone) {
        let message = Hit {
            attacker: hit.attacker.0,
            target: hit.target.0,
            damage: hit.damage,
            defeated: hit.defeated,
            tick: hit.tick.get(),
        };
        self.tell(whom, to_client::Body::Hit(message));
    }
}
