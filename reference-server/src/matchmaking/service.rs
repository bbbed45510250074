//! The async shell of the matchmaker: a queue in, a queue out, and its timer.

use netcode::driver::Clock;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::matchmaking::matchmaker::Matchmaker;
use crate::matchmaking::{Input, Output};

/// Runs `matchmaker` until every sender of inputs is gone, or nobody takes its outputs.
///
/// Outputs are unbounded, because whoever takes them may wait for room at the inputs; they are
/// bounded by what inputs can cause.
pub fn spawn(
    mut matchmaker: Matchmaker,
    clock: Clock,
    mut inputs: mpsc::Receiver<Input>,
    outputs: mpsc::UnboundedSender<Output>,
) -> JoinHandle<()> {
    tokio::spawn(async move {
        loop {
            let due = matchmaker.poll_timeout().map(|at| clock.std_instant(at));
            let timer = async {
                match due {
                    Some(at) => tokio::time::sleep_until(at.into()).await,
                    None => core::future::pending().await,
                }
            };
            tokio::select! {
                input = inputs.recv() => match input {
                    Some(input) => matchmaker.handle(clock.now(), input),
                    None => return,
                },
                () = timer => {}
            }
            matchmaker.handle_timeout(clock.now());
            while let Some(output) = matchmaker.poll_output() {
                if outputs.send(output).is_err() {
                    return;
                }
            }
        }
    })
}
