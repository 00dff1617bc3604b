/** Whether a process of this id runs on this machine. */
export function isProcessAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (thrown) {
    // Another user's process is alive, but may not be signalled.
    return (thrown as NodeJS.ErrnoException).code === 'EPERM';
  }
}
