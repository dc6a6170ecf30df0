// The door of the policies: what licences and advisories have against an image.
export { type Advisory, componentKey, isAffected, packageKeys, parseAdvisory } from './advisory.ts';
export { type BilledComponent, billedComponents } from './bill.ts';
export { cvssScore } from './cvss.ts';
export type { Finding } from './finding.ts';
export { type LicensePolicy, licenseFindings } from './licenses.ts';
export { type FoundSecret, type SecretPolicy, type SecretScan, secretFindings } from './secrets.ts';
export { comparePython } from './versions.ts';
export { type VulnerabilityPolicy, vulnerabilityFindings } from './vulnerabilities.ts';
