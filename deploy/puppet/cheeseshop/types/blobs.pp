# Where the bytes of files are kept: a directory, or a bucket of an S3-compatible store. The keys are those of
# `[blobs]` in docs/manual/configuration.md; `secret_key` is `Sensitive`, or the whole of it is.
type Cheeseshop::Blobs = Variant[
  Struct[{ path => Stdlib::Absolutepath }],
  Struct[{
    bucket                   => String[1],
    Optional[endpoint]       => Stdlib::HTTPUrl,
    Optional[region]         => String[1],
    Optional[access_key]     => String[1],
    Optional[secret_key]     => Cheeseshop::Secret,
    Optional[machine_role]   => Boolean,
    Optional[prefix]         => String[1],
    Optional[allow_http]     => Boolean,
    Optional[virtual_hosted] => Boolean,
    Optional[ca_file]        => Stdlib::Absolutepath,
    Optional[spool_dir]      => Stdlib::Absolutepath,
    Optional[retries]        => Integer[0, 100],
    Optional[verify_uploads] => Boolean,
  }]
]
