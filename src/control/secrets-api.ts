/** The secrets of a cloud's projects: they go in here and come out in functions, and in builds. */
export interface SecretsApi {
  /** In order of their names. */
  list(project: string): Promise<ListedSecret[]>
  /** The project need not be deployed yet. */
  set(project: string, name: string, value: string): Promise<ChangedSecret>
  /** Refused while the live release needs it. */
  remove(project: string, name: string): Promise<void>
  /** For a build on the cloud. Throws where one of them is not set. */
  forBuild(project: string, names: readonly string[]): Promise<Record<string, string>>
}

export interface ListedSecret {
  name: string
  setMs: number
  /** Functions of the live release that get it. */
  functions: string[]
  /** The live release's notifications go to the address in it. */
  isForNotifications: boolean
}

export interface ChangedSecret {
  name: string
  isNew: boolean
  /** Functions of the live release that get the new value from their next invocation on. */
  functions: string[]
}
