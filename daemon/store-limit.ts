// What the blob store may hold before it is swept, known without loading what sweeps it: each command reads the operations.

/** Some 20 images of a usual size. */
export const defaultLimitGib = 20;
