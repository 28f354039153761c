// Runs inside a page: checks of basics that need no library. Each result is one fault.

globalThis.findFaults = () => {
  const faults = []
  const count = selector => document.querySelectorAll(selector).length
  const need = (isMet, fault) => {
    if (!isMet) faults.push(fault)
  }
  const describe = element => element.outerHTML.slice(0, 80)
  need(document.documentElement.lang !== '', 'the document has no language')
  need(document.title.trim() !== '', 'the document has no title')
  for (const selector of ['main', 'h1', 'body > header', 'body > footer', 'nav[aria-label]']) {
    need(count(selector) === 1, `${count(selector)} × ${selector}, not 1`)
  }
  for (const image of document.querySelectorAll('img')) {
    need(image.hasAttribute('alt'), `no alt: ${describe(image)}`)
  }
  for (const control of document.querySelectorAll('a[href], button')) {
    const name = control.getAttribute('aria-label') ?? control.textContent ?? ''
    const alt = control.querySelector('img')?.alt ?? ''
    need((name + alt).trim() !== '', `no name: ${describe(control)}`)
  }
  let level = 0
  for (const heading of document.querySelectorAll('h1, h2, h3, h4, h5, h6')) {
    const next = Number(heading.tagName[1])
    need(next <= level + 1, `a level is skipped before ${describe(heading)}`)
    level = next
  }
  const ids = [...document.querySelectorAll('[id]')].map(element => element.id)
  need(new Set(ids).size === ids.length, `an id stands twice among ${ids.join(', ')}`)
  for (const element of document.querySelectorAll('[aria-labelledby]')) {
    const id = element.getAttribute('aria-labelledby') ?? ''
    need(document.getElementById(id) !== null, `nothing has the id ${id}`)
  }
  return faults
}

/** Texts whose contrast with what is behind them is under WCAG's 4.5 (3 when large). */
globalThis.findPaleTexts = () => {
  const channels = colour => (colour.match(/[\d.]+/g) ?? []).map(Number)
  const luminance = colour => {
    const linear = channels(colour)
      .slice(0, 3)
      .map(value => value / 255)
      .map(value => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4))
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
  }
  const behind = element => {
    const { backgroundColor } = getComputedStyle(element)
    if (channels(backgroundColor)[3] !== 0) return backgroundColor
    return element.parentElement === null ? 'rgb(255, 255, 255)' : behind(element.parentElement)
  }
  const pale = []
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT)
  for (let node = walker.nextNode(); node !== null; node = walker.nextNode()) {
    const element = node.parentElement
    if (element === null || node.textContent?.trim() === '' || !element.checkVisibility()) continue
    const { color, fontSize, fontWeight } = getComputedStyle(element)
    const [one, two] = [luminance(color), luminance(behind(element))]
    const contrast = (Math.max(one, two) + 0.05) / (Math.min(one, two) + 0.05)
    const size = Number.parseFloat(fontSize)
    const isLarge = size >= 24 || (size >= 18.66 && Number(fontWeight) >= 700)
    if (contrast >= (isLarge ? 3 : 4.5)) continue
    pale.push(`${contrast.toFixed(2)}: "${node.textContent?.trim().slice(0, 40)}"`)
  }
  return pale
}
