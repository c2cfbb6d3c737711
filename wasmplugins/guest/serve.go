package guest

// served is the plugin that this program is.
var served struct {
	about About
	open  func(*Config) error
}

// Serve says what the plugin is and how it is opened. Packages lock and files call it.
func Serve(about About, open func(*Config) error) { served.about, served.open = about, open }
