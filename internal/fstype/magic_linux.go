package fstype

// A kind is what statfs's f_type tells of a file system.
type kind struct {
	name  string
	reach reach
}

// A reach says who can open a file system.
type reach int

const (
	network  reach = iota // other hosts too, or it is not known who
	local                 // this host alone
	userland              // whoever the program behind it lets; see fuseBlock
	stacked               // whoever can open what lies under it
)

// kinds has every file system on which a database may be expected. What is not
// here counts as network. The block file systems that several hosts mount at once
// (GFS2, OCFS2, GPFS) are network file systems for our purpose.
//
// https://man7.org/linux/man-pages/man2/statfs.2.html
var kinds = map[uint32]kind{
	0x6969:     {"nfs", network},
	0x517b:     {"smb", network},
	0xff534d42: {"cifs", network},
	0xfe534d42: {"smb2", network},
	0x01021997: {"9p", network},
	0x5346414f: {"afs", network},
	0x6b414653: {"afs", network}, // the kernel's own
	0x73757245: {"coda", network},
	0x564c:     {"ncp", network},
	0x00c36400: {"ceph", network},
	0x01161970: {"gfs2", network},
	0x7461636f: {"ocfs2", network},
	0x0bd00bd0: {"lustre", network},
	0x47504653: {"gpfs", network},
	0x19830326: {"beegfs", network},
	0x20030528: {"orangefs", network},
	0xbacbacbc: {"vmhgfs", network},
	0x786f4256: {"vboxsf", network},

	0x65735546: {"fuse", userland}, // virtiofs as well
	0x794c7630: {"overlay", stacked},

	0xef53:     {"ext4", local}, // ext2 and ext3 as well
	0x58465342: {"xfs", local},
	0x9123683e: {"btrfs", local},
	0x2fc12fc1: {"zfs", local},
	0xca451a4e: {"bcachefs", local},
	0xf2f52010: {"f2fs", local},
	0x01021994: {"tmpfs", local},
	0x858458f6: {"ramfs", local},
	0x52654973: {"reiserfs", local},
	0x3153464a: {"jfs", local},
	0x3434:     {"nilfs2", local},
	0x24051905: {"ubifs", local},
	0x72b6:     {"jffs2", local},
	0x4d44:     {"vfat", local},
	0x2011bab0: {"exfat", local},
	0x5346544e: {"ntfs", local},
	0x7366746e: {"ntfs3", local},
	0x4244:     {"hfs", local},
	0x482b:     {"hfsplus", local},
	0x15013346: {"udf", local},
	0x9660:     {"iso9660", local},
	0x73717368: {"squashfs", local},
	0xe0f5e1e2: {"erofs", local},
}
