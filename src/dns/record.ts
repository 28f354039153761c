/** The record types that a configuration may hold. SOA comes from the zone's own settings. */
export type DnsRecordType = 'A' | 'AAAA' | 'CAA' | 'CNAME' | 'MX' | 'NS' | 'SRV' | 'TXT'

/** One record, or several of the same name and type, of a zone. */
export interface DnsRecord {
  /**
   * Who the record is about: `'@'` for the domain itself, `'www'`, `'mail.sub'`, or `'*.x'` for
   * every name below `x` that has no records of its own (RFC 4592).
   *
   * A name without a trailing dot is relative to the zone: in the zone example.org `'www'` and
   * `'www.example.org.'` are the same. `'www.example.org'` without the dot would mean
   * www.example.org.example.org and is refused.
   */
  name: string
  type: DnsRecordType
  /**
   * What the record says, as in a zone file; a list makes several records. By type:
   *
   * - `A`, `AAAA`: an address, `'192.0.2.10'`, `'2001:db8::10'`.
   * - `CNAME`: the name that this one is an alias of, `'app.example.net.'`. Nothing else may
   *   stand at the same name, so the domain itself (`'@'`) cannot have one.
   * - `MX`: preference (lower is tried first) and mail server, `'10 mail.example.org.'`.
   *   `'0 .'` says that the domain receives no mail (RFC 7505).
   * - `TXT`: plain text, taken literally: no quotes, no escapes. Longer than 255 octets in UTF-8,
   *   it is sent as several strings, which readers join again.
   * - `CAA`: flags, tag and value, `'0 issue "letsencrypt.org"'` (RFC 8659).
   * - `SRV`: priority, weight, port and target, `'0 5 5060 sip'` (RFC 2782).
   * - `NS`: a name server that a name below the zone is delegated to, or one more of the zone
   *   itself at `'@'`.
   *
   * Names follow the rule of `name`: a host outside the zone needs its trailing dot.
   */
  value: string | readonly string[]
  /**
   * How long resolvers may keep the answer, in seconds, 0 to 2147483647. Default: 300. A change
   * is seen everywhere only after the old value's time has passed. Records of one name and type
   * have one value in common (RFC 2181 §5.2).
   */
  ttlSeconds?: number
}
