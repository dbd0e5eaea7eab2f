# A database and a bucket, as some other machine would have them.
version=$(pg_lsclusters --no-header | cut -d' ' -f1)
pg_ctlcluster --skip-systemctl-redirect "$version" main start
runuser -u postgres -- psql --quiet --set=ON_ERROR_STOP=1 <<END
CREATE ROLE shop LOGIN PASSWORD 'topsecret-of-database';
CREATE DATABASE shop OWNER shop ENCODING 'UTF8' TEMPLATE template0;
END

mkdir "$state/store"
cat > "$state/store.json" <<END
{"identities": [{"name": "shop", "credentials": [{"accessKey": "shop", "secretKey": "topsecret-of-store"}],
  "actions": ["Admin", "Read", "Write", "List", "Tagging"]}]}
END
systemd-run --quiet --unit=store /packages/weed -logtostderr=true mini -dir="$state/store" -s3.config="$state/store.json" \
    -ip=127.0.0.1 -ip.bind=127.0.0.1 -s3.port.iceberg=0 -s3.port.lance=0 -webdav=false -admin.ui=false
wait_for 'the store' curl --silent --fail --output /dev/null --request POST http://127.0.0.1:8888/ready/
wait_for 'the port of the store' curl --silent --output /dev/null http://127.0.0.1:8333/
curl --silent --fail --output /dev/null --request POST http://127.0.0.1:8888/buckets/shop/
