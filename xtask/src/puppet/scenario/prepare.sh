# What the README wants to be there: a package, and passwords in Hiera.
cat >> /etc/hosts <<END
127.0.0.1 $site_name proxy.corp.example upstream.corp.example db.corp.example s3.corp.example
127.0.0.2 shop1.corp.example
127.0.0.3 shop2.corp.example
END
cp /packages/cheeseshop.deb /opt/cheeseshop.deb

mkdir -p /etc/puppet/data
cat > /etc/puppet/hiera.yaml <<END
version: 5
hierarchy:
  - name: all
    datadir: data
    data_hash: yaml_data
    path: common.yaml
END
cat > /etc/puppet/data/common.yaml <<END
cheeseshop_root_password: topsecret-of-root
cheeseshop_shared_password: topsecret-of-shared
cheeseshop_team_password: topsecret-of-team
cheeseshop::root_pypi_url: http://upstream.corp.example:8000/simple/
END
