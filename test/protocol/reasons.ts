// This room alone knows for which reason each wire and each request that the vectors call wrong must be refused.
import type { Parser, Protocol } from './vectors.ts';

const everywhere: Record<string, RegExp> = {
  'keys in another order': /^order: /,
  'a key twice': /^cbor: the key .* stands twice/,
  'an indefinite length': /^cbor: an indefinite length/,
  'bytes after the end': /^cbor: bytes are left over/,
  'cut short': /^cbor: cut short/,
  'a key that is not named': /^shape: .* has the unknown key/,
  'an unknown key': /^shape: .* has the unknown key/,
  'a key that is missing': /^shape: .* lacks the key/,
  'an integer that is not the shortest': /^cbor: .* not the shortest/,
  'a length that is not the shortest': /^cbor: .* not the shortest/,
  'a float for an integer': /^cbor: a float/,
  'a tag': /^cbor: a tag/,
  'an integer of 2^53': /^cbor: an integer above/,
  'an integer below zero': /^cbor: an integer below zero/,
  'undefined for an integer': /^cbor: undefined/,
  undefined: /^cbor: undefined/,
  'signed by another key': /^signature: /,
  'signed for another thing': /^signature: /,
  'of another mesh': /^mesh: /,
};

const ofParser: Record<Parser, Record<string, RegExp>> = {
  value: {
    nothing: /^cbor: cut short/,
    'an array of no definite length': /^cbor: an indefinite length/,
    NaN: /^cbor: a float/,
    infinity: /^cbor: a float/,
    'a key that is no text': /^cbor: a key is no text/,
  },
  stackId: {
    'a digit less': /^id: /,
    'a digit that base58 has not': /^id: a digit/,
    'with the "z" of multibase': /^id: /,
    nothing: /^id: /,
  },
  delta: {
    'another list than the head names': /^changes: /,
    'sequence 0': /^shape: head\.sequence is 0/,
    '10,001 records': /^shape: head\.count is 10001/,
    'a nonce of 15 bytes': /^shape: head\.epoch\.nonce has 15 bytes/,
    'a head of more than 1,024 bytes': /^shape: delta\[0\] has \d{4} bytes/,
    'a change without a body': /^shape: changes\[0\] has 2 places/,
    'a name of no characters': /^shape: changes\[0\]\[1\] has 0 characters/,
    'a name of 201 characters': /^shape: changes\[0\]\[1\] has 201 characters/,
    'a kind of 65 characters': /^shape: changes\[0\]\[0\] has 65 characters/,
    'a body of 16,385 bytes': /^shape: changes\[0\]\[2\] has 16385 bytes/,
    'a name that is not UTF-8': /^cbor: a text is not UTF-8/,
    'bytes after the list': /^cbor: bytes are left over/,
    'bytes after the delta': /^cbor: bytes are left over/,
    'four parts': /^shape: delta has 4 places/,
  },
  provenRecord: {
    'another body': /^proof: the leaf is another/,
    'absent although it is there': /^proof: the key is there/,
    'a proof of nothing': /^proof: another root/,
    'another name': /^proof: /,
    'a branch that is not under the root': /^proof: another root/,
    'a place without a hash': /^proof: a branch has other hashes than places/,
  },
  statement: {
    'an unknown type': /^shape: body\.type is none of/,
    'a name with a dot': /^shape: body\.name is no name/,
    'a name that ends with "-"': /^shape: body\.name is no name/,
    'a name in upper case': /^shape: body\.name is no name/,
    'an unknown role': /^shape: body\.role is none of/,
    'an empty zone': /^shape: body\.zone is no name/,
    '101 survivors': /^shape: body\.survivors has 101 places/,
    'a mesh in upper case': /^shape: body\.mesh is no hash/,
    'a second root that names no mesh': /^shape: a root has mesh and previous/,
    'a second root that names none before': /^shape: a root has mesh and previous/,
    'a first root that names a mesh': /^shape: a root has mesh and previous/,
    'a threshold above the admins': /^shape: the threshold/,
    'a threshold of 0': /^shape: body\.threshold is 0/,
    'an admin twice': /^shape: an admin stands twice/,
    'no admins': /^shape: body\.admins has 0 places/,
    'version 1,001': /^shape: body\.version is 1001/,
    'more than 8,192 bytes': /^size: /,
  },
  beat: {
    'signed as a suspicion': /^signature: /,
    'an unknown state': /^shape: beat\.state is none of/,
  },
  suspicion: {
    'signed by its subject': /^signature: /,
    'signed as a beat': /^signature: /,
    'of oneself': /^shape: nobody suspects itself/,
    'seen in another way': /^shape: suspicion\.seen is none of/,
    'an order of one number': /^shape: suspicion\.order has 1 places/,
  },
  gossip: {
    'one delta of two is wrong': /^(signature|changes): /,
    '17 heads': /^shape: message\.heads has 17 places/,
    '101 statements': /^shape: message\.statements has 101 places/,
    'evidence of one head twice': /^evidence: the heads are one/,
  },
  token: {
    'a character less': /^(checksum|shape: no base64url)/,
    'another prefix': /^shape: no token/,
    'a wrong checksum': /^checksum: /,
    'nothing but the prefix': /^size: /,
  },
};

const ofProtocol: Record<Protocol, Record<string, RegExp>> = {
  '/hermesh/heads/1.0.0': {
    'a prefix of 3 digits': /^shape: request\.ask\[0\] is no prefix/,
    'a prefix in upper case': /^shape: request\.ask\[0\] is no prefix/,
    '257 prefixes': /^shape: request\.ask has 257 places/,
    'a brief of 4 parts': /^shape: request\.offer\[0\] has 4 places/,
    'a root of 31 bytes': /^shape: request\.heads has 31 bytes/,
  },
  '/hermesh/evidence/1.0.0': {
    'a key of 7 bytes': /^shape: .*request\.known\[0\]\[0\] has 7 bytes/,
    '501 owners': /^shape: .*request\.known has 501 places/,
    'a signature of 63 bytes': /^shape: .*request\.give\[0\]\[0\]\[1\] has 63 bytes/,
    'one head': /^shape: .*request\.give\[0\] has 1 places/,
    '65 pairs': /^shape: .*request\.give has 65 places/,
    'both at once': /^shape: .* the unknown key "give"; .* the unknown key "known"/,
  },
  '/hermesh/roster/1.0.0': {
    'a path of 64 nibbles': /^shape: .* request\.paths\[0\] has 64 bytes/,
    'a nibble of 16': /^shape: .* request\.paths\[0\] is no path/,
    '513 paths': /^shape: .* request\.paths has 513 places/,
    'an id as text': /^shape: .* request\.want\[0\] is no bytes/,
    'both at once': /^shape: .* the unknown key "(want|give)"; .* the unknown key "paths"/,
    nothing: /^shape: .* lacks the key "paths"; .* lacks the key "want"/,
  },
  '/hermesh/feed/1.0.0': {
    'a key left out': /^shape: request lacks the key "after"/,
    'a position without a hash': /^shape: request\.have\.hash is no bytes/,
    'a nonce of 15 bytes': /^shape: request\.have\.epoch\.nonce has 15 bytes/,
    'a key of 31 bytes': /^shape: request\.after has 31 bytes/,
  },
  '/hermesh/trie/1.0.0': {
    'a path of 64 nibbles': /^shape: request\.paths\[0\] has 64 bytes/,
    'a nibble of 16': /^shape: request\.paths\[0\] is no path/,
    '2,001 keys': /^shape: request\.keys has 2001 places/,
    'a root of 31 bytes': /^shape: request\.root has 31 bytes/,
  },
  '/hermesh/beats/1.0.0': {
    'a digest of 31 bytes': /^shape: .* request\.digest has 31 bytes/,
    'a short name of 7 bytes': /^shape: .* request\.want\[0\] has 7 bytes/,
    '257 names': /^shape: .* request\.want has 257 places/,
    'an age of 367 days': /^shape: .* request\.give\[0\]\[1\] is 31708800/,
    'a claim of 1,025 bytes': /^shape: .* request\.give\[0\]\[0\] has 1025 bytes/,
  },
  '/hermesh/zone/1.0.0': {
    'a mark of 2 parts': /^shape: .* request\.have\[0\] has 2 places/,
    '193 marks': /^shape: .* request\.have has 193 places/,
    'no summaries': /^shape: .* request lacks the key "summaries"/,
  },
  '/hermesh/record/1.0.0': {
    'no name': /^shape: request\.name has 0 characters/,
    'a kind of 65 characters': /^shape: request\.kind has 65 characters/,
  },
};

/** What the refusal of a wire must say, by its parser and why it is wrong; undefined for a reason that is new. */
export function reasonFor(parser: Parser, why: string): RegExp | undefined {
  return ofParser[parser][why] ?? everywhere[why];
}

/** What the refusal of a request must say, by its protocol and why it is wrong; undefined for a reason that is new. */
export function reasonForRequest(protocol: Protocol, why: string): RegExp | undefined {
  return ofProtocol[protocol][why] ?? everywhere[why];
}
