import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import type { Project } from '../config/project.ts'
import type { BlobUpload, CloudApi, PublishRequest } from '../control/cloud-api.ts'
import { prepareRelease } from './draft.ts'
import { selectMissing } from './missing.ts'

/** As many uploads are written out; of more, a list is read. */
const MAX_UPLOAD_LINES = 20

/**
 * A deploy as a shell script of commands that one could type: the text. What no file of the project
 * has (compressed forms, packed functions, the release itself) is written to `.moka/steps`. The site
 * has been built, and the cloud is only asked.
 */
export async function describeSteps(
  project: Project,
  target: Pick<CloudApi, 'live' | 'missingBlobs'>,
  options: { nowMs: number; cloud: string; site: string },
): Promise<string> {
  const folder = join(project.root, '.moka', 'steps')
  await rm(folder, { recursive: true, force: true })
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const live = await target.live(project.name)
  const prepared = await prepareRelease(project, live?.manifest, options.nowMs)
  const { draft, uploads } = await selectMissing(prepared, target)
  const request: PublishRequest = { draft, base: live?.id ?? null, secrets: prepared.secrets }
  const steps = new Steps(project.root, folder)
  const releaseFile = await steps.write('release.json', JSON.stringify(request))
  const names = Array.from(prepared.blobs.values(), ({ sha256, sizeBytes }) => ({
    sha256,
    sizeBytes,
  }))
  const namesFile = await steps.write('blobs.json', JSON.stringify(names))
  const files = new Map(
    Object.entries(draft.files).map(([path, { sha256 }]) => [
      sha256,
      join(project.site?.directory ?? '', path),
    ]),
  )
  const sent: [sha256: string, path: string][] = []
  for (const blob of uploads) {
    const path = files.get(blob.sha256)
    sent.push([blob.sha256, path === undefined ? await steps.writeBlob(blob) : steps.name(path)])
  }
  const list = sent.length > MAX_UPLOAD_LINES ? await steps.write('uploads', formatList(sent)) : ''
  return [
    '#!/bin/sh',
    `# A deploy of ${project.name}, step by step. The token is in the cloud's file "token"; \`moka env\` prints it.`,
    'set -eu',
    `: "\${MOKA_CLOUD:=${options.cloud}}" "\${MOKA_TOKEN:?}"`,
    'ask() { curl --fail-with-body --silent --show-error --header "Authorization: Bearer $MOKA_TOKEN" "$@"; }',
    '',
    ...(project.site?.build === undefined
      ? []
      : ['# build the site', `cd ${quote(project.root)} && ${project.site.build.command}`, '']),
    `cd ${quote(project.root)}`,
    '',
    `# ask which of ${names.length} objects the cloud lacks: each has the SHA-256 of its bytes as its name`,
    `ask --json @${namesFile} "$MOKA_CLOUD/v1/missing"`,
    '',
    `# send what it lacks: ${sent.length}`,
    ...(list === ''
      ? sent.map(
          ([sha256, path]) => `ask --upload-file ${quote(path)} "$MOKA_CLOUD/v1/blobs/${sha256}"`,
        )
      : [
          'while IFS="	" read -r sha256 path',
          'do ask --upload-file "$path" "$MOKA_CLOUD/v1/blobs/$sha256"',
          `done < ${list}`,
        ]),
    '',
    '# make the release and make it live: check, migrate, move the pointer, every edge worker confirms',
    `ask --json @${releaseFile} "$MOKA_CLOUD/v1/releases" | tee /dev/stderr | grep -q '"result"'`,
    '',
    '# what is live, as everybody can see it',
    `curl --fail --silent --show-error --header ${quote(`Host: ${project.name}.localhost`)} ${options.site}/.well-known/mokapot/release.json`,
    '',
  ].join('\n')
}

/** Writes what the steps need, and names it as the shell in the project's folder does. */
class Steps {
  readonly #root: string
  readonly #folder: string

  constructor(root: string, folder: string) {
    this.#root = root
    this.#folder = folder
  }

  async write(name: string, content: string | Uint8Array): Promise<string> {
    const path = join(this.#folder, name)
    await writeFile(path, content, { mode: 0o600 }) // it may hold the address of a database
    return this.name(path)
  }

  async writeBlob(blob: BlobUpload): Promise<string> {
    const chunks: Uint8Array[] = []
    const content = blob.open()
    for await (const chunk of content instanceof Uint8Array ? [content] : content)
      chunks.push(chunk)
    return this.write(blob.sha256, Buffer.concat(chunks))
  }

  name(path: string): string {
    return relative(this.#root, path)
  }
}

function formatList(sent: readonly (readonly [string, string])[]): string {
  return sent.map(([sha256, path]) => `${sha256}\t${path}\n`).join('')
}

/** For the shell: as it stands where nothing in it means anything. */
function quote(text: string): string {
  return /^[\w./:@%+=-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`
}
