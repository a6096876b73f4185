import type { Settings } from "../../config/settings-schema.js";
import { type ArtifactFiles, createArtifactFiles } from "./artifact-files.js";
import { createS3ArtifactFiles } from "./s3-artifact-files.js";

/** Where the settings say that artifacts lie: in a bucket, or under `DATA_DIR`. */
export function openArtifactFiles(settings: Settings): ArtifactFiles {
  const bucket = settings.ARTIFACTS_S3_BUCKET;
  if (bucket === undefined) return createArtifactFiles(`${settings.DATA_DIR}/artifacts`);
  const accessKeyId = settings.ARTIFACTS_S3_ACCESS_KEY_ID;
  const secretAccessKey = settings.ARTIFACTS_S3_SECRET_ACCESS_KEY;
  return createS3ArtifactFiles({
    bucket,
    endpoint: settings.ARTIFACTS_S3_ENDPOINT,
    region: settings.ARTIFACTS_S3_REGION,
    prefix: settings.ARTIFACTS_S3_PREFIX,
    forcePathStyle: settings.ARTIFACTS_S3_PATH_STYLE,
    credentials: accessKeyId && secretAccessKey ? { accessKeyId, secretAccessKey } : undefined,
  });
}
