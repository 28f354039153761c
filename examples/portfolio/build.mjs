// Builds site/ into dist/. In HTML, `<!-- part: header -->` becomes parts/header.html and
// `{{name}}` what site.json says. Images, css and js get names that change with their content.
import { createHash } from 'node:crypto'
import * as fs from 'node:fs'
import { dirname, join } from 'node:path'

const here = path => join(import.meta.dirname, path)
const read = path => fs.readFileSync(here(path), 'utf8')
const safe = value => String(value).replace(/[&<>"]/g, c => `&#${c.charCodeAt(0)};`)
const fields = readFields()
const assets = new Map() // '/css/main.css' → '/css/main.3f2a9c1d0b.css'
const output = new Map() // path in dist → content

// In this order, because each kind may refer to those before it.
for (const kind of ['images', 'css', 'js']) {
  for (const path of list().filter(path => path.startsWith(`/${kind}/`))) {
    const content = kind === 'images' ? fs.readFileSync(here(`site${path}`)) : text(path)
    const hash = createHash('sha256').update(content).digest('hex').slice(0, 10)
    assets.set(path, path.replace(/(\.\w+)$/, `.${hash}$1`))
    output.set(assets.get(path), content)
  }
}
for (const path of list().filter(path => !assets.has(path))) {
  output.set(path, path.endsWith('.html') ? page(path) : fs.readFileSync(here(`site${path}`)))
}
replace(here('dist'), output)
console.log(`${output.size} files in dist`)

function list() {
  const entries = fs.readdirSync(here('site'), { recursive: true, withFileTypes: true })
  const files = entries.filter(entry => entry.isFile() && entry.name !== '.DS_Store')
  return files.map(file => `${file.parentPath}/${file.name}`.slice(here('site').length)).sort()
}

function page(path) {
  const html = read(`site${path}`)
  const title = /<title>(.*?)<\/title>/s.exec(html)?.[1]
  const description = /<meta name="description" content="(.*?)"/s.exec(html)?.[1]
  const url = path.replace(/index\.html$/, '')
  const whole = html
    .replace(/<!-- part: (\w+) -->/g, (mark, name) => part(path, mark, name))
    .replaceAll('{{title}}', () => title ?? fail(`site${path} has no title`))
    .replaceAll('{{description}}', () => description ?? fail(`site${path} has no description`))
    .replaceAll('{{path}}', url)
    .replaceAll(`<a href="${url}"`, `<a aria-current="page" href="${url}"`)
  return text(path, whole).replace(/\{\{(\w+)\}\}/g, (all, key) => {
    if (key in fields) return safe(fields[key])
    return fail(`${whereIs(all, path)} has ${all}, but site.json has not`)
  })
}

function part(path, mark, name) {
  const isThere = fs.existsSync(here(`parts/${name}.html`))
  return isThere
    ? read(`parts/${name}.html`).trim()
    : fail(`${whereIs(mark, path)} wants parts/${name}.html, which does not exist`)
}

/** A text file with the hashed names of what it refers to. */
function text(path, source = read(`site${path}`)) {
  return source.replace(/(?<=["'(=\s]|\}\})\/(images|css|js)\/[\w./-]+\.\w+/g, asset => {
    const hashed = assets.get(asset)
    return hashed ?? fail(`${whereIs(asset, path)} refers to ${asset}, which does not exist`)
  })
}

/** Writes everything beside the folder, then swaps the two: the folder is never half written. */
function replace(folder, files) {
  const fresh = `${folder}.tmp/${process.pid}`
  fs.rmSync(fresh, { recursive: true, force: true })
  for (const [path, content] of files) {
    fs.mkdirSync(dirname(join(fresh, 'new', path)), { recursive: true })
    fs.writeFileSync(join(fresh, 'new', path), content)
  }
  for (let tries = 9; fs.existsSync(join(fresh, 'new')); tries--) {
    try {
      if (fs.existsSync(folder)) fs.renameSync(folder, join(fresh, `old-${tries}`))
      fs.renameSync(join(fresh, 'new'), folder)
    } catch (error) {
      if (tries === 0) throw error // Otherwise a build beside this one was quicker: once more.
    }
  }
  fs.rmSync(fresh, { recursive: true })
}

function readFields() {
  const json = read('site.json')
  try {
    return JSON.parse(json)
  } catch ({ message }) {
    // Node says where in one of three ways: a position, the text around it, or the end.
    const position = /position (\d+)/.exec(message)?.[1]
    const near = /"(.*)"(?:\.{3})? is not valid JSON/s.exec(message)?.[1] ?? ''
    const end = json.trimEnd().length
    const at = Math.min(position ?? (near ? json.indexOf(near) + near.length / 2 : end), end)
    return fail(`site.json, line ${lineOf(json, at)}: ${message.replace(/\s+/g, ' ')}`)
  }
}

/** File and line of what stands in a file of the site, or in a part that it has. */
function whereIs(thing, path) {
  const parts = read(`site${path}`).matchAll(/<!-- part: (\w+) -->/g)
  const files = [`site${path}`, ...Array.from(parts, ([, name]) => `parts/${name}.html`)]
  const file = files.find(file => fs.existsSync(here(file)) && read(file).includes(thing))
  return file ? `${file}, line ${lineOf(read(file), read(file).indexOf(thing))},` : `site${path}`
}

function lineOf(text, index) {
  return text.slice(0, index).split('\n').length
}

function fail(problem) {
  console.error(`cannot build the site: ${problem}`)
  process.exit(1)
}
