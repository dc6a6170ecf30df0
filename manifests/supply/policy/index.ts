// The door of the policies: what licences and advisories have against an image.
export { type BilledComponent, billedComponents } from './bill.ts';
export type { Finding } from './finding.ts';
export { type LicensePolicy, licenseFindings } from './licenses.ts';
export { comparePython } from './versions.ts';
export {
  type Advisory,
  isAffected,
  parseAdvisory,
  type VulnerabilityPolicy,
  vulnerabilityFindings,
} from './vulnerabilities.ts';
