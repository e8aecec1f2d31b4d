/** Writes tar archives block by block, so that a test can also write wrong ones. */

export interface TarSpec {
  readonly name: string | Uint8Array
  readonly content?: Uint8Array | string
  readonly type?: string
  readonly link?: string
  readonly prefix?: string
  /** What the size field says, where that is not the length of the content. */
  readonly size?: number | Uint8Array
  readonly magic?: string
  /** Changes the finished header. The checksum is set before. */
  readonly mend?: (header: Buffer) => void
}

/** One entry: header, content, padding. */
export function tarEntry(spec: TarSpec): Buffer {
  const content = bytesOf(spec.content ?? '')
  const header = Buffer.alloc(512)
  header.set(bytesOf(spec.name).subarray(0, 100), 0)
  header.write('0000644\0', 100)
  header.write('0000000\0', 108)
  header.write('0000000\0', 116)
  if (spec.size instanceof Uint8Array) header.set(spec.size, 124)
  else header.write(`${(spec.size ?? content.length).toString(8).padStart(11, '0')}\0`, 124)
  header.write('00000000000\0', 136)
  header.write(spec.type ?? '0', 156, 'latin1')
  header.set(bytesOf(spec.link ?? '').subarray(0, 100), 157)
  header.write(spec.magic ?? 'ustar\x0000', 257, 'latin1')
  header.write(spec.prefix ?? '', 345, 155)
  writeChecksum(header)
  spec.mend?.(header)
  return Buffer.concat([header, content, Buffer.alloc((512 - (content.length % 512)) % 512)])
}

/** A whole archive, with its two blocks of zeros at the end. */
export const tarOf = (...specs: readonly TarSpec[]): Buffer =>
  Buffer.concat([...specs.map(tarEntry), Buffer.alloc(1024)])

/** A PAX header with these records. */
export function paxRecords(records: Readonly<Record<string, string | Uint8Array>>): Buffer {
  return Buffer.concat(
    Object.entries(records).map(([keyword, value]) => {
      const rest = Buffer.concat([Buffer.from(` ${keyword}=`), bytesOf(value), Buffer.from('\n')])
      let length = rest.length + 1
      while (String(length).length + rest.length !== length) length = String(length).length + rest.length
      return Buffer.concat([Buffer.from(String(length)), rest])
    }),
  )
}

export function writeChecksum(header: Buffer): void {
  header.write('        ', 148)
  const sum = header.reduce((total, byte) => total + byte, 0)
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
}

const bytesOf = (text: string | Uint8Array): Uint8Array =>
  typeof text === 'string' ? Buffer.from(text) : text
