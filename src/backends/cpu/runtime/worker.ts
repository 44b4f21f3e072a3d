/**
 * What a device's worker runs: one member of its team. It has no exports; openDevice starts it, as a file beside its own or
 * as what the option `worker` makes (`tandem-ts/worker`).
 */
import { firstPosition, opcode } from './control.js';
import { enableRelaxedSimd } from './features.js';
import { Member } from './member.js';
import { connectToParent } from './thread.js';

async function work(): Promise<never> {
  const parent = await connectToParent();
  const { thread, relaxed } = parent.member;
  if (relaxed) await enableRelaxedSimd();
  const member = new Member(parent);
  parent.post({ kind: 'ready' });
  let position = firstPosition | 0;
  for (;;) {
    if (thread > 0) position = member.step(member.awaitTeamCommand(position));
    else {
      if (member.awaitCommand(position) === opcode.meet) member.meet(await parent.nextPeer());
      position = member.step(position);
    }
  }
}

// Thrown outside of the promise it ends the thread, and who started it is told.
work().catch((error: unknown) => {
  queueMicrotask(() => {
    throw error;
  });
});
