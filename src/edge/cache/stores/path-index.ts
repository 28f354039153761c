/**
 * How many things there are at each path, in a tree by common beginnings (a radix tree). Forgetting
 * all that begins alike cuts one branch off, whatever hangs on it; each thing finds out by itself,
 * by `isCut`, that its branch is dead.
 */
export class PathIndex {
  #root = new PathNode(undefined, '')

  /** The node of a path, made where it is not there. */
  nodeOf(path: string): PathNode {
    let node = this.#root
    let rest = path
    while (rest !== '') {
      const child = node.child(rest)
      if (child === undefined) return node.adopt(new PathNode(node, rest))
      const common = commonLength(child.label, rest)
      node = common === child.label.length ? child : node.split(child, common)
      rest = rest.slice(common)
    }
    return node
  }

  /** Cuts off what is at a path itself; returns how many those were. */
  cutPath(path: string): number {
    const found = this.#find(path)
    if (found === undefined || found.rest !== '' || found.node.own === 0) return 0
    return found.node.cutSelf()
  }

  /** Cuts off all whose path begins so; returns how many those were. */
  cutPrefix(prefix: string): number {
    const node = this.#find(prefix)?.node
    if (node === undefined) return 0
    const { count } = node
    node.cutOff()
    if (node === this.#root) this.#root = new PathNode(undefined, '')
    return count
  }

  /** The highest node whose path begins with the text; `rest` is what that path has beyond it. */
  #find(text: string): { node: PathNode; rest: string } | undefined {
    let node = this.#root
    let wanted = text
    while (wanted !== '') {
      const child = node.child(wanted)
      if (child === undefined) return undefined
      if (child.label.startsWith(wanted)) {
        return { node: child, rest: child.label.slice(wanted.length) }
      }
      if (!wanted.startsWith(child.label)) return undefined
      wanted = wanted.slice(child.label.length)
      node = child
    }
    return { node, rest: '' }
  }
}

export class PathNode {
  label: string
  /** Things at this very path. */
  own = 0
  /** With all below. */
  count = 0
  #parent: PathNode | undefined
  #children: Map<string, PathNode> | undefined
  #isDead = false

  constructor(parent: PathNode | undefined, label: string) {
    this.#parent = parent
    this.label = label
  }

  isCut(): boolean {
    for (let node: PathNode | undefined = this; node !== undefined; node = node.#parent) {
      if (node.#isDead) return true
    }
    return false
  }

  /** Counts things of this path in, or out with a negative number. */
  add(count: number): void {
    this.own += count
    this.#addUpwards(count)
    this.#prune()
  }

  child(path: string): PathNode | undefined {
    return this.#children?.get(path[0]!)
  }

  adopt(child: PathNode): PathNode {
    this.#children ??= new Map()
    this.#children.set(child.label[0]!, child)
    child.#parent = this
    return child
  }

  /** Puts a node between this and a child, where their ways part. */
  split(child: PathNode, at: number): PathNode {
    const between = new PathNode(this, child.label.slice(0, at))
    between.count = child.count
    this.adopt(between)
    child.label = child.label.slice(at)
    between.adopt(child)
    return between
  }

  cutOff(): void {
    this.#isDead = true
    const parent = this.#parent
    if (parent === undefined) return
    parent.#children?.delete(this.label[0]!)
    parent.#addUpwards(-this.count)
    parent.#prune()
  }

  /** What lies below goes on under a node in this one's place. */
  cutSelf(): number {
    const { own } = this
    const parent = this.#parent
    this.#isDead = true
    if (parent === undefined) return own
    const next = parent.adopt(new PathNode(parent, this.label))
    for (const child of this.#children?.values() ?? []) next.adopt(child)
    next.count = this.count - own
    parent.#addUpwards(-own)
    next.#prune()
    return own
  }

  #addUpwards(count: number): void {
    for (let node: PathNode | undefined = this; node !== undefined; node = node.#parent) {
      node.count += count
    }
  }

  /** Takes out of the tree what holds nothing any more. */
  #prune(): void {
    let node: PathNode = this
    while (node.count === 0 && node.#parent !== undefined) {
      const siblings: Map<string, PathNode> | undefined = node.#parent.#children
      if (siblings?.get(node.label[0]!) === node) siblings.delete(node.label[0]!)
      node = node.#parent
    }
  }
}

function commonLength(a: string, b: string): number {
  const most = Math.min(a.length, b.length)
  let length = 0
  while (length < most && a[length] === b[length]) length++
  return length
}
