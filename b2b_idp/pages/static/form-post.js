// Response mode form_post: send the only form of the page as soon as it is there.
document.forms[0].submit();
