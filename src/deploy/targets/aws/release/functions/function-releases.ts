import { createHash } from 'node:crypto'
import { setTimeout as wait } from 'node:timers/promises'
import type {
  AliasConfiguration,
  FunctionConfiguration,
  LambdaClient,
} from '@aws-sdk/client-lambda'
import type { AwsSettings } from '../../../../../config/aws/aws-settings.ts'
import type { BlobUpload } from '../../../../../control/cloud-api.ts'
import type {
  ReleaseDraft,
  ReleaseFunction,
  ReleaseManifest,
} from '../../../../../releases/manifest.ts'
import { MokaError } from '../../../../../shared/errors.ts'
import { ownVersion } from '../../../../../shared/own-version.ts'
import { awsArchive } from '../../operations/archive/aws-archive.ts'
import { explainAwsError } from '../../sdk/errors.ts'
import { sdk } from '../../sdk/sdk.ts'
import { codeKey, LIVE_ALIAS, lambdaName, PREVIEW_PREFIX } from '../../stack/names.ts'
import type { Bucket } from '../objects/bucket.ts'
import { readBlob } from '../objects/read-blob.ts'
import { FRESH, Renewed } from '../renewed.ts'

const POLLED_EVERY_MS = 250
/** Lambda takes seconds, and a minute for the first interface in a network. */
const PATIENCE_MS = 5 * 60_000
/** https://docs.aws.amazon.com/lambda/latest/api/API_PublishVersion.html */
const MAX_DESCRIPTION = 256

/** By name of the project: which version of the function a release has. */
export type FunctionVersions = Readonly<Record<string, string>>

export interface FunctionReleasesParts {
  project: string
  settings: AwsSettings
  bucket: Bucket
  /** The variables of a function, with its secrets and the database. */
  environmentOf(
    name: string,
    settings: ReleaseFunction,
    secrets: Readonly<Record<string, string>>,
    preview?: PreviewSurroundings,
  ): Promise<Record<string, string>>
}

/** What functions of a preview find in place of what the live ones have. */
export interface PreviewSurroundings {
  /** Of its own; absent: none at all. */
  database?: string
}

/**
 * The functions of releases on Lambda: a version for each release that changes one, and the alias
 * `live` that visitors are answered by.
 */
export class FunctionReleases {
  readonly #parts: FunctionReleasesParts
  readonly #client: Renewed<LambdaClient>
  readonly #api: Awaited<ReturnType<typeof sdk.lambda>>

  private constructor(
    parts: FunctionReleasesParts,
    client: Renewed<LambdaClient>,
    api: Awaited<ReturnType<typeof sdk.lambda>>,
  ) {
    this.#parts = parts
    this.#client = client
    this.#api = api
  }

  static async open(parts: FunctionReleasesParts): Promise<FunctionReleases> {
    const api = await sdk.lambda()
    const { region } = parts.settings
    const create = () =>
      new api.LambdaClient({ ...FRESH, region, maxAttempts: 8, retryMode: 'adaptive' })
    return new FunctionReleases(parts, new Renewed(create), api)
  }

  close(): void {
    this.#client.close()
  }

  /** For what is asked of Lambda beside this. */
  get client(): Pick<LambdaClient, 'send'> {
    const send = (command: never) => this.#client.run(client => client.send(command))
    return { send } as Pick<LambdaClient, 'send'>
  }

  async lacks(codeSha256: string): Promise<boolean> {
    return (await this.#parts.bucket.head(codeKey(codeSha256))) === undefined
  }

  /** ARNs of the roles that functions run by. */
  async roles(names: readonly string[]): Promise<string[]> {
    const found = await Promise.all(names.map(name => this.#configuration(name)))
    return [...new Set(found.flatMap(({ Role }) => Role ?? []))].sort()
  }

  /** Keeps the archives that came with a deploy, for a later one that changes the settings alone. */
  async keep(draft: ReleaseDraft, blobs: ReadonlyMap<string, BlobUpload>): Promise<void> {
    for (const { codeSha256 } of Object.values(draft.functions)) {
      const blob = blobs.get(codeSha256)
      if (blob === undefined) continue
      const headers = { contentType: 'application/zip', cacheControl: 'no-store' }
      await this.#parts.bucket.put(codeKey(codeSha256), await readBlob(blob), codeSha256, headers)
    }
  }

  /**
   * The version of each function of a release: the live one or that of `before`, where it is the same
   * with the same variables, else one that is published. `preview`: for a preview, and not to go live.
   */
  async publish(
    release: ReleaseManifest,
    secrets: Readonly<Record<string, string>>,
    before: FunctionVersions = {},
    preview?: PreviewSurroundings,
  ): Promise<FunctionVersions> {
    const versions = await Promise.all(
      Object.entries(release.functions).map(async ([name, settings]) => {
        const environment = await this.#parts.environmentOf(name, settings, secrets, preview)
        const description = describe(release.id, settings, environment)
        const candidates = [this.#configuration(name, LIVE_ALIAS)]
        const earlier = before[name]
        if (earlier !== undefined) candidates.push(this.#findVersion(name, earlier))
        const same = (await Promise.all(candidates)).find(
          ({ Version, Description }) =>
            Version !== undefined && fingerprintOf(Description) === description.fingerprint,
        )
        const version =
          same?.Version ?? (await this.#publish(name, settings, environment, description.text))
        return [name, version] as const
      }),
    )
    return Object.fromEntries(versions)
  }

  /**
   * Moves every function's alias, all or none; what moves them back. Throws `AWS_FUNCTION_GONE`
   * where one is no longer there.
   */
  async activate(versions: FunctionVersions): Promise<() => Promise<void>> {
    const before = Object.entries(await this.current(Object.keys(versions)))
    const moved: [string, string][] = []
    const back = async () => {
      for (const [name, version] of moved.splice(0)) await this.#point(name, version)
    }
    try {
      for (const [name, version] of before) {
        const next = versions[name]!
        if (next === version) continue
        await this.#point(name, next)
        moved.unshift([name, version])
      }
    } catch (error) {
      await back()
      throw error
    }
    return back
  }

  /** Which version each alias leads to. */
  async current(names: readonly string[]): Promise<FunctionVersions> {
    const entries = names.map(async name => [name, await this.#aliasOf(name)] as const)
    return Object.fromEntries(await Promise.all(entries))
  }

  /** Makes an alias of each function that leads to its version: a preview is asked by them. */
  async show(alias: string, versions: FunctionVersions): Promise<void> {
    for (const [name, version] of Object.entries(versions)) {
      const FunctionName = this.#lambda(name)
      await this.#run(
        client =>
          client.send(
            new this.#api.CreateAliasCommand({
              ...{ FunctionName, Name: alias, FunctionVersion: version },
            }),
          ),
        'show a preview of',
        name,
      )
    }
  }

  /** Aliases of previews, of any of these functions; those that are gone have none. */
  async previewAliases(names: readonly string[]): Promise<string[]> {
    const found = await Promise.all(names.map(name => this.#aliasesIfThere(name)))
    const aliases = found.flat().flatMap(({ Name }) => Name ?? [])
    return [...new Set(aliases.filter(alias => alias.startsWith(PREVIEW_PREFIX)))]
  }

  /** Removes aliases of previews. */
  async hide(names: readonly string[], gone: readonly string[]): Promise<void> {
    for (const name of names) {
      for (const { Name = '' } of await this.#aliasesIfThere(name)) {
        if (!gone.includes(Name)) continue
        const FunctionName = this.#lambda(name)
        await this.#run(
          client => client.send(new this.#api.DeleteAliasCommand({ FunctionName, Name })),
          'end a preview of',
          name,
        )
      }
    }
  }

  /** Removes versions that no kept release has and no alias leads to. */
  async forget(kept: readonly FunctionVersions[], names: Iterable<string>): Promise<void> {
    for (const name of names) {
      const needed = new Set(kept.flatMap(versions => versions[name] ?? []))
      for (const { FunctionVersion = '' } of await this.#aliases(name)) needed.add(FunctionVersion)
      for (const { Version, Description } of await this.#versions(name)) {
        // Those that no release of ours made, the stack's own among them, are not ours to remove.
        if (Version === undefined || needed.has(Version)) continue
        if (fingerprintOf(Description) === undefined) continue
        await this.#run(
          client =>
            client.send(
              new this.#api.DeleteFunctionCommand({
                FunctionName: this.#lambda(name),
                Qualifier: Version,
              }),
            ),
          `remove version ${Version} of`,
          name,
        )
      }
    }
  }

  async #publish(
    name: string,
    settings: ReleaseFunction,
    environment: Record<string, string>,
    description: string,
  ): Promise<string> {
    const { bucket, settings: aws } = this.#parts
    const own = await bucket.readBytes(codeKey(settings.codeSha256))
    if (own === undefined) throw codeMissing(name, settings.codeSha256)
    const { archive, sha256, handler } = await awsArchive(own, { ...settings, name }, aws)
    const S3Key = codeKey(sha256)
    const headers = { contentType: 'application/zip', cacheControl: 'no-store' }
    await bucket.put(S3Key, archive, sha256, headers)
    const FunctionName = this.#lambda(name)
    await this.#settled(name)
    await this.#run(
      client =>
        client.send(
          new this.#api.UpdateFunctionCodeCommand({
            FunctionName,
            S3Bucket: bucket.name,
            S3Key,
            Architectures: ['arm64'],
          }),
        ),
      'send the code of',
      name,
    )
    await this.#settled(name)
    await this.#run(
      client =>
        client.send(
          new this.#api.UpdateFunctionConfigurationCommand({
            FunctionName,
            Handler: handler,
            Environment: { Variables: environment },
          }),
        ),
      'set the variables of',
      name,
    )
    await this.#settled(name)
    const { Version } = await this.#run(
      client =>
        client.send(
          new this.#api.PublishVersionCommand({ FunctionName, Description: description }),
        ),
      'publish',
      name,
    )
    await this.#settled(name, Version)
    return Version ?? ''
  }

  /** Resolves when no change of it is under way. Throws `AWS_FUNCTION_FAILED` with Lambda's reason. */
  async #settled(name: string, version?: string): Promise<void> {
    for (const endMs = performance.now() + PATIENCE_MS; ; ) {
      const { State, StateReason, LastUpdateStatus, LastUpdateStatusReason } =
        await this.#configuration(name, version)
      if (State === 'Failed' || LastUpdateStatus === 'Failed') {
        throw new MokaError(
          'AWS_FUNCTION_FAILED',
          `cannot publish function "${name}": Lambda says: ${LastUpdateStatusReason ?? StateReason}`,
          { hint: 'what is live stays live; mend that, and deploy again' },
        )
      }
      if (State !== 'Pending' && LastUpdateStatus !== 'InProgress') return
      if (performance.now() > endMs) {
        throw new MokaError(
          'AWS_FUNCTION_SLOW',
          `cannot publish function "${name}": Lambda is still busy with it after ${PATIENCE_MS / 60_000} minutes`,
          { hint: 'what is live stays live; deploy again in a while' },
        )
      }
      await wait(POLLED_EVERY_MS)
    }
  }

  #configuration(name: string, qualifier?: string): Promise<FunctionConfiguration> {
    return this.#run(
      client =>
        client.send(
          new this.#api.GetFunctionConfigurationCommand({
            FunctionName: this.#lambda(name),
            ...(qualifier === undefined ? {} : { Qualifier: qualifier }),
          }),
        ),
      'look at',
      name,
    )
  }

  /** Nothing where somebody has removed it. */
  async #findVersion(name: string, version: string): Promise<FunctionConfiguration> {
    return this.#configuration(name, version).catch((error: unknown) => {
      if (error instanceof MokaError && error.code === 'AWS_FUNCTION_GONE') return {}
      throw error
    })
  }

  async #aliasOf(name: string): Promise<string> {
    const { FunctionVersion } = await this.#run(
      client =>
        client.send(
          new this.#api.GetAliasCommand({ FunctionName: this.#lambda(name), Name: LIVE_ALIAS }),
        ),
      'look at',
      name,
    )
    return FunctionVersion ?? ''
  }

  async #point(name: string, version: string): Promise<void> {
    await this.#run(
      client =>
        client.send(
          new this.#api.UpdateAliasCommand({
            FunctionName: this.#lambda(name),
            Name: LIVE_ALIAS,
            FunctionVersion: version,
          }),
        ),
      `point visitors to version ${version} of`,
      name,
    )
  }

  #aliasesIfThere(name: string): Promise<AliasConfiguration[]> {
    return this.#aliases(name).catch((error: unknown) => {
      if (error instanceof MokaError && error.code === 'AWS_FUNCTION_GONE') return []
      throw error
    })
  }

  async #aliases(name: string): Promise<AliasConfiguration[]> {
    const found: AliasConfiguration[] = []
    let Marker: string | undefined
    do {
      const page = await this.#run(
        client =>
          client.send(
            new this.#api.ListAliasesCommand({
              FunctionName: this.#lambda(name),
              ...(Marker === undefined ? {} : { Marker }),
            }),
          ),
        'list the aliases of',
        name,
      )
      found.push(...(page.Aliases ?? []))
      Marker = page.NextMarker
    } while (Marker !== undefined)
    return found
  }

  async #versions(name: string): Promise<FunctionConfiguration[]> {
    const found: FunctionConfiguration[] = []
    let Marker: string | undefined
    do {
      const page = await this.#run(
        client =>
          client.send(
            new this.#api.ListVersionsByFunctionCommand({
              FunctionName: this.#lambda(name),
              ...(Marker === undefined ? {} : { Marker }),
            }),
          ),
        'list the versions of',
        name,
      )
      found.push(...(page.Versions ?? []))
      Marker = page.NextMarker
    } while (Marker !== undefined)
    return found
  }

  #lambda(name: string): string {
    return lambdaName(this.#parts.project, name)
  }

  async #run<T>(
    call: (client: LambdaClient) => Promise<T>,
    what: string,
    name: string,
  ): Promise<T> {
    try {
      return await this.#client.run(call)
    } catch (error) {
      if ((error as Error).name === 'ResourceNotFoundException') {
        throw new MokaError(
          'AWS_FUNCTION_GONE',
          `cannot ${what} function "${name}": it is not on AWS, or that version is not`,
          {
            hint: 'deploy a checkout that has it: `moka deploy --to aws` makes it again',
            cause: error,
          },
        )
      }
      throw explainAwsError(error, `${what} function "${name}"`)
    }
  }
}

/** What a version is described by: its release, and a fingerprint of all that made it. */
function describe(
  release: string,
  { codeSha256, handler, runtime, memoryMb, timeoutMs }: ReleaseFunction,
  environment: Readonly<Record<string, string>>,
): { text: string; fingerprint: string } {
  const made = [codeSha256, handler, runtime, memoryMb, timeoutMs, ownVersion()]
  const variables = Object.entries(environment).sort(([a], [b]) => (a < b ? -1 : 1))
  const hash = createHash('sha256').update(JSON.stringify([made, variables]))
  const fingerprint = hash.digest('hex').slice(0, 32)
  return { text: `${release} ${fingerprint}`.slice(0, MAX_DESCRIPTION), fingerprint }
}

function fingerprintOf(description = ''): string | undefined {
  return /^r-\d+ ([0-9a-f]{32})$/.exec(description)?.[1]
}

function codeMissing(name: string, sha256: string): MokaError {
  return new MokaError(
    'AWS_CODE_MISSING',
    `cannot publish function "${name}": its archive ${codeKey(sha256)} is not in the bucket`,
    { hint: 'change something in the function and deploy again; then it is sent' },
  )
}
