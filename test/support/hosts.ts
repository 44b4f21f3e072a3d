/**
 * Two hosts on one machine: network namespaces with names of their own, joined by a pair of virtual Ethernet devices, on
 * which Open MPI starts a rank each and speaks TCP. Linux allows it to root, if that is root of the machine's namespaces.
 */
import { spawnSync } from 'node:child_process';
import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Launcher, launchers } from './mpi.js';

const [first, second] = [`tandem-${process.pid}-a`, `tandem-${process.pid}-b`];
/** Names of network devices have 15 characters at most. */
const [here, there] = [`tda${process.pid}`, `tdb${process.pid}`];
const subnet = '10.213.77';

/** What starts a rank on each of two hosts. */
export interface TwoHosts {
  readonly launcher: Launcher;
  /** Bytes that the first host has sent to the second. */
  sentBytes(): number;
}

/**
 * Runs `use` with two hosts; where they can't be made a line says so, and nothing is run.
 * @param folder for the script that Open MPI starts its part on the second host with
 */
export async function withTwoHosts(folder: string, use: (hosts: TwoHosts) => Promise<void>): Promise<void> {
  const launcher = launchers().find(({ name }) => name === 'Open MPI');
  const failure = launcher ? begin() : 'Open MPI is not installed';
  try {
    if (!launcher || failure !== null) {
      console.log(`SKIPPED: two hosts as network namespaces: ${failure}`);
      return;
    }
    // Called with the host's name, which is known, and the words of a command.
    const agent = join(folder, 'agent.sh');
    const entered = `exec ip netns exec ${second} unshare --uts sh -c 'hostname second; exec sh -c "$*"' sh "$@"`;
    await writeFile(agent, `#!/bin/sh\nshift\n${entered}\n`);
    await chmod(agent, 0o755);
    const places = ['--host', `${subnet}.1:1,${subnet}.2:1`, '--mca', 'plm_rsh_agent', agent];
    const network = ['btl_tcp_if_include', 'oob_tcp_if_include'].flatMap((key) => [
      '--mca',
      key,
      `${subnet}.0/24`,
    ]);
    const entering = ['ip', 'netns', 'exec', first, 'unshare', '--uts'];
    const named = ['sh', '-c', 'hostname first; exec "$@"', 'sh'];
    const command = [
      ...entering,
      ...named,
      ...launcher.command,
      ...places,
      '--mca',
      'btl',
      'tcp,self',
      ...network,
    ];
    await use({
      launcher: { name: 'Open MPI', command },
      sentBytes: () =>
        Number(run('ip', 'netns', 'exec', first, 'cat', `/sys/class/net/${here}/statistics/tx_bytes`)),
    });
  } finally {
    for (const name of [first, second]) spawnSync('ip', ['netns', 'del', name]);
  }
}

/** Makes the namespaces. @returns what failed, null where nothing did */
function begin(): string | null {
  const within = (name: string, ...args: string[]): string => run('ip', '-n', name, ...args);
  try {
    for (const name of [first, second]) run('ip', 'netns', 'add', name);
    within(first, 'link', 'add', here, 'type', 'veth', 'peer', 'name', there, 'netns', second);
    for (const [name, device, host] of [
      [first, here, 1],
      [second, there, 2],
    ] as const) {
      within(name, 'addr', 'add', `${subnet}.${host}/24`, 'dev', device);
      for (const each of [device, 'lo']) within(name, 'link', 'set', each, 'up');
    }
    run('unshare', '--uts', 'hostname', 'second');
    return null;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** What a command prints. @throws {Error} when it fails */
function run(command: string, ...args: string[]): string {
  const { status, stdout, stderr, error } = spawnSync(command, args, { encoding: 'utf8' });
  if (status === 0) return stdout;
  throw new Error(`${command} ${args.slice(0, 3).join(' ')}: ${(error?.message ?? stderr).trim()}`);
}
