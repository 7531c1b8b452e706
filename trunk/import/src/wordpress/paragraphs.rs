//! Texts as `WordPress` keeps them.

/// `WordPress` keeps paragraphs as empty lines, and makes elements of them when it shows a page; so does this.
pub fn paragraphs(content: &str) -> String {
    if content.contains("<p>") || content.contains("<p ") || content.contains("<!-- wp:") {
        return content.to_owned();
    }
    let text = content.replace("\r\n", "\n");
    let parts = text
        .split("\n\n")
        .map(str::trim)
        .filter(|part| !part.is_empty());
    let parts = parts.map(|part| {
        let block = ["<h", "<ul", "<ol", "<blockquote", "<pre", "<div", "<table"];
        if block.iter().any(|start| part.starts_with(start)) {
            part.to_owned()
        } else {
            format!("<p>{}</p>", part.replace('\n', "<br>"))
        }
    });
    parts.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_lines_are_paragraphs() {
        assert_eq!(
            paragraphs("a\nb\r\n\r\n<h2>c</h2>\n\n\n\nd"),
            "<p>a<br>b</p>\n<h2>c</h2>\n<p>d</p>"
        );
        assert_eq!(paragraphs("<p>a</p>\n\nb"), "<p>a</p>\n\nb");
        assert_eq!(paragraphs(""), "");
    }
}
