/** What is told of a project's deploys, to whom. */
export interface NotificationsApi {
  /** Sends one of a deploy that never was, to each address of the live release; how each went. */
  test(project: string): Promise<SentNotification[]>
  /** What notifications are signed with: the key of HMAC-SHA256, as text. */
  key(project: string): Promise<string>
}

export interface SentNotification {
  /** Without what may be secret in it: the host, or the name of the secret. */
  to: string
  /** Why it did not arrive; absent when it did. */
  failure?: string
}
