/**
 * A device without threads, where memory can't be shared between them: the caller runs commands as they are enqueued.
 *
 * A command may have to wait, for a signal of another such device (peers.ts) whose own commands are held back for bytes to
 * come. So whenever anything is enqueued anywhere, all of these devices go on as far as they can.
 */
import {
  firstPosition,
  opcode,
  type PeerMessage,
  ringAt,
  ringSlots,
  slotWords,
  type TeamMember,
} from './control.js';
import { Member } from './member.js';
import type { Thread, ThreadEvents } from './thread.js';

/** The devices at work in this thread. */
const all = new Set<InlineThread>();
let running = false;

/** Lets all devices of this thread go on as far as they can. */
export function runInline(): void {
  if (running) return;
  running = true;
  try {
    for (let moved = true; moved; ) {
      moved = false;
      for (const one of all) if (one.advance()) moved = true;
    }
  } finally {
    running = false;
  }
}

/** The caller as thread 0 of a device. */
export class InlineThread implements Thread {
  private readonly member: Member;
  private readonly words: Int32Array;
  private position = firstPosition | 0;
  private readonly messages: PeerMessage[] = [];

  constructor(member: TeamMember, events: ThreadEvents) {
    // Replies come later, as they do from threads.
    this.member = new Member({ member, post: (message) => queueMicrotask(() => events.message(message)) });
    this.words = new Int32Array(member.memory.buffer, ringAt, ringSlots * slotWords);
    all.add(this);
    queueMicrotask(() => events.message({ kind: 'ready' }));
  }

  /** Runs what can run; tells whether anything did. */
  advance(): boolean {
    const before = this.position;
    while (this.member.canStep(this.position)) {
      const at = (this.position & (ringSlots - 1)) * slotWords;
      const message = this.words[at + 1] === opcode.meet ? this.messages.shift() : undefined;
      if (message) this.member.meet(message);
      this.position = this.member.step(this.position);
    }
    return this.position !== before;
  }

  post(message: PeerMessage): void {
    this.messages.push(message);
  }

  keepAlive(): void {}

  runs(): boolean {
    return true;
  }

  async terminate(): Promise<void> {
    all.delete(this);
  }
}
