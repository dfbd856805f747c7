//! Users by name.

use std::fs;

use crate::shim::User;

/// A user and its home folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Account {
    pub(super) user: User,
    pub(super) home: String,
}

/// Looks up a user in `/etc/passwd` and `/etc/group`. Users that only a directory service knows are
/// not found: asking one needs the C library's plug-ins, and may hang.
pub(super) fn find(name: &str) -> Result<Account, String> {
    let read = |path| fs::read_to_string(path).map_err(|error| format!("`{path}`: {error}"));
    find_in(name, &read("/etc/passwd")?, &read("/etc/group")?)
}

fn find_in(name: &str, passwd: &str, group: &str) -> Result<Account, String> {
    let missing = || format!("user `{name}` does not exist on this machine");
    let line = passwd
        .lines()
        .find(|line| line.split(':').next() == Some(name));
    let fields: Vec<&str> = line.ok_or_else(missing)?.split(':').collect();
    let number = |index: usize| fields.get(index).and_then(|text| text.parse().ok());
    let (uid, gid) = number(2).zip(number(3)).ok_or_else(missing)?;
    let groups = group
        .lines()
        .filter_map(|line| {
            let mut fields = line.split(':').skip(2);
            let gid = fields.next()?.parse().ok()?;
            fields
                .next()?
                .split(',')
                .any(|member| member == name)
                .then_some(gid)
        })
        .collect();
    let home = (*fields.get(5).unwrap_or(&"/")).to_owned();
    Ok(Account {
        user: User { uid, gid, groups },
        home,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_numbers_groups_and_home() {
        let passwd = "root:x:0:0:root:/root:/bin/bash\nweb:x:33:34::/srv/web:/usr/sbin/nologin\n";
        let group = "root:x:0:\nssl:x:101:web,mail\nmail:x:8:mail\nwebs:x:102:web\n";
        let web = find_in("web", passwd, group).unwrap();
        assert_eq!(
            web.user,
            User {
                uid: 33,
                gid: 34,
                groups: vec![101, 102]
            }
        );
        assert_eq!(web.home, "/srv/web");
        let problem = find_in("we", passwd, group).unwrap_err();
        assert_eq!(problem, "user `we` does not exist on this machine");
    }
}
