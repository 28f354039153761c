import type { ProjectUser } from '../../shared/users/project-users.ts'
import type { ProcessExit } from '../outcome.ts'

export interface StartRequest {
  /** Folder with the unpacked code, the working directory of the process. */
  taskRoot: string
  /** The whole environment of the process. */
  variables: Readonly<Record<string, string>>
  /** Shown to the runtime API by the first request. No secret from the function, but from others. */
  apiKey: string
  memoryMb: number
  /** As whom it runs. Undefined: as we do. */
  user: ProjectUser | undefined
  onOutput(stream: 'stdout' | 'stderr', chunk: Buffer): void
}

export interface RuntimeProcess {
  /** Leads a process group of its own. */
  readonly pid: number
  /** Resolves when the process has ended and its output has been read. */
  readonly exited: Promise<ProcessExit>
}

/** Makes processes that speak the Lambda runtime API. */
export interface Runtime {
  /** Names the function in the error where the runtime is not to be had on this machine. */
  start(request: StartRequest, functionName: string): Promise<RuntimeProcess>
  /** Has one ready for the next start, in the background. Urgent: it is about to be needed. */
  prepare(memoryMb: number, user: ProjectUser | undefined, isUrgent: boolean): void
  /** What a user must be able to read who is to run it. */
  programs(): string[]
  /** Ends what is kept ready. Processes that were handed out stay. */
  rest(): void
  /** Processes kept ready, for the curious and for tests. */
  readyPids(): number[]
  close(): Promise<void>
}
