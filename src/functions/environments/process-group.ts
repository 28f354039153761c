/**
 * Signals an execution environment together with the processes that the function started in it.
 * Right after a fork there may be no group yet: then the process alone, unless it `hasEnded` and
 * its id may be somebody else's. Gone already: nothing.
 */
export function signalGroup(
  pid: number,
  signal: 'SIGSTOP' | 'SIGCONT' | 'SIGKILL',
  hasEnded = false,
): void {
  try {
    process.kill(-pid, signal)
  } catch {
    if (hasEnded) return
    try {
      process.kill(pid, signal)
    } catch {}
  }
}
